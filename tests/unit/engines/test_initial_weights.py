"""Initial weights: He's deviation, zeros for biases; and weights of another network are refused."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from treehead.config import LeakyReluConfig, NetworkConfig, StageConfig
from treehead.engines import whitening
from treehead.engines.weights import check_weights, initial_weights
from treehead.engines.whitening import whitening_kernels
from treehead.spec import build_spec
from treehead.types import Array, UserError

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


def test_dirac_kernels_copy_their_first_inputs_and_the_others_stay_hes() -> None:
    network = NetworkConfig(stages=(StageConfig(width=5, middle=3), StageConfig(width=7, kernel_size=2, residuals=0)))
    spec = build_spec(network, input_shape=(3, 16, 16), **LEVELS)
    he, dirac = (initial_weights(spec, seed=0, init=init) for init in ("he", "dirac"))
    images = np.random.default_rng(0).standard_normal((2, 3, 16, 16))
    for name, inputs, outputs in (("stage1_conv", 3, 5), ("stage1_residual1.conv1", 5, 3), ("stage2_conv", 5, 7)):
        kernel, copies = dirac[f"trunk.{name}.weight"], min(inputs, outputs)
        assert kernel.shape[:2] == (outputs, inputs)
        assert (kernel[:copies].sum(axis=(2, 3)) == np.eye(copies, inputs)).all()
        np.testing.assert_array_equal(kernel[copies:], he[f"trunk.{name}.weight"][copies:])
    first = functional.conv2d(
        torch.from_numpy(images).float(), torch.from_numpy(dirac["trunk.stage1_conv.weight"]), padding=1
    )
    np.testing.assert_array_equal(first[:, :3].numpy(), images.astype(np.float32))
    ours = torch.nn.init.dirac_(torch.empty(5, 5, 2, 2)).numpy()
    np.testing.assert_array_equal(dirac["trunk.stage2_conv.weight"][:5], ours)


def test_the_heads_weights_are_scaled_and_the_whitening_kernel_is_the_given_one() -> None:
    spec = build_spec(NetworkConfig(whitening_px=2), input_shape=(3, 16, 16), **LEVELS)
    kernel = np.arange(24 * 12, dtype=np.float32).reshape(24, 3, 2, 2)
    plain, changed = initial_weights(spec, seed=0), initial_weights(spec, seed=0, head_init=0.5, whitening=kernel)
    assert plain.keys() == changed.keys()
    for name, value in plain.items():
        expected = kernel if "whitening" in name else 0.5 * value if name.startswith("heads.") else value
        np.testing.assert_array_equal(changed[name], expected, err_msg=name)


def patches_of(pixels: Array, *, mean: Array, std: Array) -> Array:
    """Every 2x2 patch of the standardised images, (number, C * 4)."""
    x = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, pixels.shape[1] * 4)


def test_whitened_patches_are_uncorrelated_and_of_variance_one() -> None:
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.integers(-9, 10, size=(40, 3, 12, 12)), axis=3) + rng.integers(100, 150, size=(40, 3, 1, 1))
    pixels, mean, std = np.clip(smooth, 0, 255).astype(np.uint8), np.array([0.5, 0.45, 0.4]), np.array([0.2, 0.25, 0.3])
    kernels = whitening_kernels(pixels, mean=mean, std=std, kernel_size=2)
    assert kernels.shape == (24, 3, 2, 2)
    assert kernels.dtype == np.float32
    np.testing.assert_array_equal(kernels[12:], -kernels[:12])
    patches = patches_of(pixels, mean=mean, std=std)
    outputs = patches @ kernels[:12].reshape(12, 12).T
    moments, variances = (
        outputs.T @ outputs / len(outputs),
        np.sort(np.linalg.eigvalsh(patches.T @ patches / len(patches))),
    )
    expected = np.sqrt(variances[::-1]) / (np.sqrt(variances[::-1] + 5e-4))
    np.testing.assert_allclose(moments, np.diag(expected**2), atol=1e-4)
    flat = kernels[:12].reshape(12, 12)
    assert (flat[np.arange(12), np.abs(flat).argmax(axis=1)] > 0).all()
    norms = np.linalg.norm(flat, axis=1)
    assert (np.diff(norms) >= 0).all()  # falling variance: the first direction is amplified least


def test_whitening_uses_evenly_spaced_images_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(9, 3, 5, 5), dtype=np.uint8)
    half = np.full(3, 0.5)
    monkeypatch.setattr(whitening, "MOST_IMAGES", 4)
    few = whitening_kernels(pixels, mean=half, std=half, kernel_size=2)
    np.testing.assert_array_equal(few, whitening_kernels(pixels[::3], mean=half, std=half, kernel_size=2))


def test_weights_of_another_network_are_refused_by_name() -> None:
    weights = {"a": np.zeros(3), "b": np.zeros(2)}
    with pytest.raises(UserError, match="b is missing"):
        check_weights({"a": np.zeros(3)}, weights)
    with pytest.raises(UserError, match="c is not part of this network"):
        check_weights(weights | {"c": np.zeros(1)}, weights)
    with pytest.raises(UserError, match=r"a is \(4,\), expected \(3,\)"):
        check_weights(weights | {"a": np.zeros(4)}, weights)
