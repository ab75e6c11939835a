"""The PyTorch engine: what it applies, keeps, gives back and refuses."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from treehead.config import AdamConfig, AugmentConfig, EngineConfig, NetworkConfig, SgdConfig, StageConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed_targets
from treehead.spec import NetSpec, build_spec
from treehead.types import Array, UserError

SIZES = (6, 3, 2)
SPEC = build_spec(
    NetworkConfig(stages=(StageConfig(width=8, middle=4), StageConfig(width=12, shrink="stride")), dropout=0.2),
    input_shape=(3, 8, 8),
    levels=("fine", "superclass", "group"),
    sizes=SIZES,
)
OBJECTIVE = Objective(tuple(smoothed_targets(size, 0.1) for size in SIZES), np.array([1.0, 0.5, 0.25]))
FLOAT32 = EngineConfig(device="cpu", precision="float32")


def engine_of(
    optimizer: AdamConfig | SgdConfig | None = None, config: EngineConfig = FLOAT32, spec: NetSpec = SPEC
) -> PyTorchEngine:
    made = PyTorchEngine(
        spec,
        initial_weights(spec, seed=1),
        mean=np.full(3, 0.5),
        std=np.full(3, 0.25),
        objective=OBJECTIVE,
        optimizer=optimizer or AdamConfig(),
        config=config,
    )
    pixels, labels = images()
    made.load_images(pixels, labels)
    return made


def images(num: int = 40) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    fine = rng.integers(6, size=num)
    return rng.integers(256, size=(num, 3, 8, 8), dtype=np.uint8), np.stack([fine, fine // 2, fine // 4], axis=1)


def plan(epoch: int = 1, augment: AugmentConfig | None = None) -> EpochPlan:
    augment = augment or AugmentConfig(crop_px=2)
    return draw_epoch_plan(augment, num_images=40, image_size=(8, 8), batch_size=10, seed=0, epoch=epoch)


def test_weights_come_back_as_they_went_in() -> None:
    weights, again = initial_weights(SPEC, seed=1), engine_of().weights()
    assert weights.keys() == again.keys()
    assert all((weights[name] == again[name]).all() for name in weights)


def test_a_batch_is_the_plans_gather() -> None:
    """The engine crops, reflects and flips as np.pad, a slice and [::-1] would."""
    pixels, _ = images()
    drawn = plan(augment=AugmentConfig(crop_px=2, cutout_px=3))
    seen: list[torch.Tensor] = []
    engine = engine_of()
    engine.network.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    engine.train(drawn, 2, np.array([1e-3]))
    expected = pixels[drawn.order[2]][
        np.arange(10)[:, None, None, None],
        np.arange(3)[:, None, None],
        drawn.rows[2][:, None, :, None],
        drawn.columns[2][:, None, None, :],
    ]
    blank = drawn.box_rows[2][:, None, :, None] & drawn.box_columns[2][:, None, None, :]
    np.testing.assert_allclose(seen[0].numpy(), np.where(blank, 0, (expected / 255 - 0.5) / 0.25), atol=1e-5)


def test_the_first_losses_are_torchs_cross_entropy() -> None:
    engine = engine_of(spec=build_spec(NetworkConfig(stages=(StageConfig(width=8),)), **SHAPES))
    pixels, labels = images()
    still = plan(augment=AugmentConfig(crop_px=0, flip=False))
    engine.network.train()
    with torch.no_grad():
        batch = torch.from_numpy(pixels[still.order[0]])
        logits = engine.network(((batch / 255) - 0.5) / 0.25)
    expected = [
        functional.cross_entropy(head, torch.from_numpy(labels[still.order[0], i]), label_smoothing=0.1).item()
        for i, head in enumerate(logits)
    ]
    np.testing.assert_allclose(engine.train(still, 0, np.array([1e-3])).losses[0], expected, rtol=1e-4)


SHAPES = {"input_shape": (3, 8, 8), "levels": ("fine", "superclass", "group"), "sizes": SIZES}


@pytest.mark.parametrize("optimizer", [AdamConfig(learning_rate=3e-3), SgdConfig(learning_rate=0.05)])
def test_chunks_and_interruptions_change_no_bit(optimizer: AdamConfig | SgdConfig) -> None:
    """Steps in one go, in chunks, and handed over to a fresh engine half-way: the same weights to the bit."""
    rates = np.linspace(1e-2, 1e-3, 4)
    whole, parts = engine_of(optimizer), engine_of(optimizer)
    for epoch in (1, 2):
        whole.train(plan(epoch), 0, rates)
    parts.train(plan(1), 0, rates[:1])
    parts.train(plan(1), 1, rates[1:])
    fresh = engine_of(optimizer)
    fresh.load_weights(parts.weights())
    fresh.load_optimizer_state(parts.optimizer_state())
    fresh.train(plan(2), 0, rates)
    ours, theirs = whole.weights(), fresh.weights()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_it_learns_by_heart() -> None:
    engine = engine_of(AdamConfig(learning_rate=1e-2))
    still = AugmentConfig(crop_px=0, flip=False)
    first = engine.train(plan(1, still), 0, np.full(4, 1e-2)).losses.mean(axis=0)
    last = [engine.train(plan(epoch, still), 0, np.full(4, 1e-2)) for epoch in range(2, 40)][-1]
    assert (last.losses.mean(axis=0) < 0.7 * first).all()
    pixels, labels = images()
    assert (engine.predict(pixels)[0].argmax(1) == labels[:, 0]).mean() > 0.9


def test_predictions_do_not_depend_on_their_company() -> None:
    engine = engine_of()
    pixels, _ = images(30)
    pixels.flags.writeable = False  # as files read whole are
    together, alone = engine.predict(pixels), engine.predict(pixels[7:8])
    assert [level.shape for level in together] == [(30, size) for size in SIZES]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[7:8], b, atol=1e-5)


def test_weight_decay_shrinks_kernels_alone() -> None:
    rates = np.full(4, 1e-2)
    free, decayed = (engine_of(AdamConfig(weight_decay=decay)) for decay in (0.0, 30.0))
    for engine in (free, decayed):
        engine.train(plan(), 0, rates)
    a, b = free.weights(), decayed.weights()
    kernel, norm = "trunk.stage1_conv.weight", "trunk.stage1_norm.weight"
    assert np.linalg.norm(b[kernel]) < 0.5 * np.linalg.norm(a[kernel])
    np.testing.assert_allclose(b[norm], a[norm], atol=0.1)


def test_bfloat16_agrees_with_float32_to_its_precision() -> None:
    pixels, _ = images()
    half = engine_of(config=EngineConfig(device="cpu", precision="bfloat16"))
    assert (half.device, half.precision) == ("cpu", "bfloat16")
    for a, b in zip(engine_of().predict(pixels), half.predict(pixels), strict=True):
        np.testing.assert_allclose(a, b, atol=0.05 * np.abs(a).max())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(UserError, match=r"engine.device = 'cuda': .* finds no such device; here: .*cpu"):
        engine_of(config=EngineConfig(device="cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_takes_the_same_first_step() -> None:
    here, there = engine_of(), engine_of(config=EngineConfig(device="cuda", precision="float32"))
    ours, theirs = (engine.train(plan(), 0, np.array([1e-3])) for engine in (here, there))
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-3)
