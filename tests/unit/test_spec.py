"""The network as data: shapes, parameters and multiply-adds, counted by hand."""

import pytest

from treehead.config import LeakyReluConfig, NetworkConfig, RunConfig, SiluConfig, StageConfig, changed
from treehead.recipes import recipe
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


def test_a_whitened_network_counted_by_hand() -> None:
    """Even kernels have no padding: 8 pixels are 7 after the whitening, 3 after the pool, 2 after the second stage."""
    stages = (
        StageConfig(width=4, middle=2, residual_kernels=(3, 1)),
        StageConfig(width=6, kernel_size=2, shrink="none", residuals=0),
    )
    network = NetworkConfig(whitening_px=2, stages=stages, activation=SiluConfig(), pool="mean_max")
    counts = {row.name: (row.kind, row.output, row.parameters, row.multiply_adds) for row in rows(spec_of(network))}
    assert counts["trunk.whitening"] == ("Conv2d, frozen", (24, 7, 7), 0, 49 * 24 * 3 * 4)
    assert counts["trunk.whitening_act"] == ("SiLU", (24, 7, 7), 0, 0)
    assert counts["trunk.stage1_conv"] == ("Conv2d", (4, 7, 7), 4 * 24 * 9, 49 * 4 * 24 * 9)
    assert counts["trunk.stage1_residual1.conv1"] == ("Conv2d", (2, 3, 3), 2 * 4 * 9, 9 * 2 * 4 * 9)
    assert counts["trunk.stage1_residual1.conv2"] == ("Conv2d", (4, 3, 3), 4 * 2, 9 * 4 * 2)
    assert counts["trunk.stage2_conv"] == ("Conv2d", (6, 2, 2), 6 * 4 * 4, 4 * 6 * 4 * 4)
    assert counts["trunk.pool"] == ("GlobalAvgMaxPool", (12,), 0, 0)
    assert counts["heads.fine"] == ("Linear", (5,), 12 * 5 + 5, 60)


def test_the_sprints_network_is_the_public_one_of_its_size() -> None:
    """2.54 million parameters and 79 million multiply-adds, as published of the network that it follows."""
    spec = build_spec(
        recipe("cifar100-sprint").network,
        input_shape=(3, 32, 32),
        levels=("fine", "superclass", "group"),
        sizes=(100, 20, 8),
    )
    assert num_parameters(spec) == 2_544_640
    assert num_multiply_adds(spec) == 78_970_656


def test_the_activation_is_the_configs() -> None:
    network = NetworkConfig(activation=LeakyReluConfig(slope=0.2))
    assert {layer for _, layer in spec_of(network).trunk if isinstance(layer, LeakyReLU)} == {LeakyReLU(0.2)}


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(UserError, match="halve the image 3 times, but it is 4x4 pixels"):
        spec_of(NetworkConfig(), size=4)
    unpadded = NetworkConfig(whitening_px=2, stages=(StageConfig(width=4), StageConfig(width=4, kernel_size=2)))
    assert rows(spec_of(unpadded, size=7))[-1].parameters == 4 * 2 + 2  # 7 -> 6 -> 3 -> 2 -> 1 pixel
    with pytest.raises(UserError, match="halve the image 2 times, but it is 6x6 pixels"):
        spec_of(unpadded, size=6)


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
