"""The network as data: shapes, parameters and multiply-adds, counted by hand."""

import pytest

from treehead.config import LeakyReluConfig, NetworkConfig, RunConfig, StageConfig, changed
from treehead.spec import LeakyReLU, build_spec, num_multiply_adds, num_parameters, rows
from treehead.types import UserError


def spec_of(network: NetworkConfig, size: int = 8, sizes: tuple[int, ...] = (5, 2)):  # noqa: ANN201
    return build_spec(network, input_shape=(3, size, size), levels=("fine", "superclass"), sizes=sizes)


def test_a_small_network_counted_by_hand() -> None:
    network = NetworkConfig(stages=(StageConfig(width=4, middle=2),), hidden=(6,))
    counts = {row.name: (row.output, row.parameters, row.multiply_adds) for row in rows(spec_of(network))}
    assert counts["trunk.stage1_conv"] == ((4, 8, 8), 4 * 3 * 9, 64 * 4 * 3 * 9)
    assert counts["trunk.stage1_pool"] == ((4, 4, 4), 0, 0)
    assert counts["trunk.stage1_norm"] == ((4, 4, 4), 8, 0)
    assert counts["trunk.stage1_residual1.conv1"] == ((2, 4, 4), 2 * 4 * 9, 16 * 2 * 4 * 9)
    assert counts["trunk.hidden1"] == ((6,), 4 * 6 + 6, 24)
    assert counts["heads.fine"] == ((5,), 6 * 5 + 5, 30)
    assert num_parameters(spec_of(network)) == 108 + 8 + 72 + 4 + 72 + 8 + 30 + 35 + 14


def test_a_stride_halves_like_a_pool_and_none_does_not() -> None:
    for shrink, side in (("pool", 4), ("stride", 4), ("none", 8)):
        network = NetworkConfig(stages=(StageConfig.model_validate({"width": 4, "shrink": shrink, "residuals": 0}),))
        shapes = [row.output for row in rows(spec_of(network)) if row.name == "trunk.stage1_norm"]
        assert shapes == [(4, side, side)]


def test_the_default_network_keeps_its_promise() -> None:
    spec = build_spec(
        RunConfig().network, input_shape=(3, 32, 32), levels=("fine", "superclass", "group"), sizes=(100, 20, 8)
    )
    assert 2_450_000 <= num_parameters(spec) <= 2_500_000
    assert num_multiply_adds(spec) <= 100_000_000


def test_the_activation_is_the_configs() -> None:
    network = NetworkConfig(activation=LeakyReluConfig(slope=0.2))
    assert {layer for _, layer in spec_of(network).trunk if isinstance(layer, LeakyReLU)} == {LeakyReLU(0.2)}


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(UserError, match="halve the image 3 times, but it is 4x4 pixels"):
        spec_of(NetworkConfig(), size=4)


def test_without_norms_only_the_norms_are_missing() -> None:
    """Each batch norm of the default network holds 2 parameters a channel; nothing else changes."""
    kinds = {}
    for norm in ("batch", "none"):
        network = changed(RunConfig(), {"network.norm": norm}).network
        spec = build_spec(network, input_shape=(3, 32, 32), levels=("fine",), sizes=(100,))
        kinds[norm] = [(row.name, row.kind, row.parameters) for row in rows(spec)]
    norms = [row for row in kinds["batch"] if row[1] == "BatchNorm2d"]
    assert kinds["none"] == [row for row in kinds["batch"] if row[1] != "BatchNorm2d"]
    assert sum(count for _, _, count in norms) == 2 * (24 + 56 + 32 + 56 + 112 + 112 + 112 + 256 + 400 + 256)


@pytest.mark.parametrize(
    ("size", "widths", "features"),
    [(32, (64, 128), 8), (64, (32, 64, 128), 8), (96, (16, 32, 64, 128), 6), (224, (16, 16, 32, 64, 128), 7)],
)
def test_a_network_that_grows_is_led_in_by_narrow_stages(size: int, widths: tuple[int, ...], features: int) -> None:
    stages = (StageConfig(width=64), StageConfig(width=128))
    lines = rows(spec_of(NetworkConfig(stages=stages, grow=True), size=size))
    norms = [row.output for row in lines if row.name.endswith("_norm")]
    assert tuple(shape[0] for shape in norms) == widths
    assert norms[-1][1] == features
    assert sum("residual" in row.name and row.kind == "Residual sum" for row in lines) == 2
