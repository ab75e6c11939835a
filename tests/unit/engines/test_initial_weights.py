"""Initial weights: He's deviation, zeros for biases; and weights of another network are refused."""

import numpy as np
import pytest

from treehead.config import LeakyReluConfig, NetworkConfig
from treehead.engines.weights import check_weights, initial_weights
from treehead.spec import build_spec
from treehead.types import UserError

LEVELS = {"levels": ("fine", "superclass", "group"), "sizes": (100, 20, 8)}


def test_kernels_have_hes_deviation_and_the_rest_is_plain() -> None:
    spec = build_spec(NetworkConfig(), input_shape=(3, 32, 32), **LEVELS)
    weights = initial_weights(spec, seed=0)
    for name, value in weights.items():
        assert value.dtype == np.float32
        if value.ndim > 1:
            expected = np.sqrt(2 / np.prod(value.shape[1:]))
            assert value.std() == pytest.approx(expected, rel=5 / np.sqrt(value.size)), name
        elif name.endswith(("bias", "running_mean")):
            assert (value == 0).all(), name
        else:
            assert (value == 1).all(), name


def test_a_leaky_slope_is_accounted_for() -> None:
    plain, leaky = (
        initial_weights(build_spec(network, input_shape=(3, 32, 32), **LEVELS), seed=0)["trunk.stage3_conv.weight"]
        for network in (NetworkConfig(), NetworkConfig(activation=LeakyReluConfig(slope=0.5)))
    )
    np.testing.assert_allclose(leaky * np.sqrt(1.25), plain, rtol=1e-6)


def test_weights_of_another_network_are_refused_by_name() -> None:
    weights = {"a": np.zeros(3), "b": np.zeros(2)}
    with pytest.raises(UserError, match="b is missing"):
        check_weights({"a": np.zeros(3)}, weights)
    with pytest.raises(UserError, match="c is not part of this network"):
        check_weights(weights | {"c": np.zeros(1)}, weights)
    with pytest.raises(UserError, match=r"a is \(4,\), expected \(3,\)"):
        check_weights(weights | {"a": np.zeros(4)}, weights)
