"""The PyTorch engine: what it applies, keeps, gives back and refuses."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from treehead.config import (
    AdamConfig,
    AugmentConfig,
    EngineConfig,
    MuonConfig,
    NetworkConfig,
    Optimizer,
    SgdConfig,
    ShrinkConfig,
    StageConfig,
)
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed
from treehead.spec import NetSpec, build_spec
from treehead.types import Array, RunError, UserError, Weights

SIZES = (6, 3, 2)
SPEC = build_spec(
    NetworkConfig(stages=(StageConfig(width=8, middle=4), StageConfig(width=12, shrink="stride")), dropout=0.2),
    input_shape=(3, 8, 8),
    levels=("fine", "superclass", "group"),
    sizes=SIZES,
)
OBJECTIVE = Objective(tuple(smoothed(np.eye(size), 0.1) for size in SIZES), np.array([1.0, 0.5, 0.25]))
FLOAT32 = EngineConfig(device="cpu", precision="float32")


def engine_of(
    optimizer: Optimizer | None = None, config: EngineConfig = FLOAT32, spec: NetSpec = SPEC
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


def first_inputs(drawn: EpochPlan, step: int) -> Array:
    """What the network sees at a step of a plan."""
    seen: list[torch.Tensor] = []
    engine = engine_of()
    engine.network.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    engine.train(drawn, step, np.array([1e-3]))
    return seen[0].numpy()


def gathered(drawn: EpochPlan, step: int) -> Array:
    """Cropped, reflected and flipped images of a step, standardised."""
    pixels, _ = images()
    varied = pixels[drawn.order[step]][
        np.arange(10)[:, None, None, None],
        np.arange(3)[:, None, None],
        drawn.rows[step][:, None, :, None],
        drawn.columns[step][:, None, None, :],
    ]
    return (varied / 255 - 0.5) / 0.25


def boxes(drawn: EpochPlan, step: int) -> Array:
    return drawn.box_rows[step][:, None, :, None] & drawn.box_columns[step][:, None, None, :]


def test_a_batch_is_the_plans_gather_with_blank_squares() -> None:
    drawn = plan(augment=AugmentConfig(crop_px=2, cutout_px=3))
    np.testing.assert_allclose(first_inputs(drawn, 2), np.where(boxes(drawn, 2), 0, gathered(drawn, 2)), atol=1e-5)


def test_a_mixed_batch_holds_its_partners_pixels() -> None:
    drawn = plan(augment=AugmentConfig(crop_px=2, cutmix=0.7))
    images_, partners = gathered(drawn, 1), drawn.partners[1]
    assert 0 < (partners >= 0).sum() < 10
    expected = np.where(boxes(drawn, 1), images_[partners], images_)
    np.testing.assert_allclose(first_inputs(drawn, 1), expected, atol=1e-5)


def test_a_shrunk_batch_is_averaged() -> None:
    drawn = plan(augment=AugmentConfig(crop_px=0, shrink=(ShrinkConfig(until=1, pixels=4),)))
    expected = gathered(drawn, 0).reshape(10, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(first_inputs(drawn, 0), expected, atol=1e-5)


def test_images_of_unknown_label_are_counted_nowhere() -> None:
    engine, drawn = engine_of(), plan()
    pixels, labels = images()
    labels[drawn.order[0][:3], 0] = -1
    engine.load_images(pixels, labels)
    results = engine.train(drawn, 0, np.array([1e-3]))
    assert results.known.tolist() == [[7, 10, 10]]
    assert (results.correct <= results.known).all()


def test_level_weights_stand_in_for_the_objectives() -> None:
    engine, before = engine_of(SgdConfig(weight_decay=0)), engine_of().weights()
    engine.train(plan(), 0, np.array([0.1]), np.array([1.0, 0.0, 0.0]))
    after = engine.weights()
    assert (after["heads.group.weight"] == before["heads.group.weight"]).all()
    assert (after["heads.fine.weight"] != before["heads.fine.weight"]).any()


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


@pytest.mark.parametrize("optimizer", [AdamConfig(learning_rate=3e-3), SgdConfig(learning_rate=0.05), MuonConfig()])
def test_chunks_and_interruptions_change_no_bit(optimizer: Optimizer) -> None:
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


def test_full_memory_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

    engine = engine_of()
    monkeypatch.setattr(engine, "_step", full)
    with pytest.raises(RunError, match=r"memory is full; try a smaller train\.batch_size"):
        engine.train(plan(), 0, np.array([1e-3]))


ON_GPU = EngineConfig(device="cuda", precision="float32")
HARD = AugmentConfig(crop_px=2, cutmix=0.5, shrink=(ShrinkConfig(until=0.5, pixels=4),))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", [AdamConfig(), SgdConfig(), MuonConfig()], ids=lambda config: config.kind)
def test_the_gpu_learns_as_the_cpu_does(optimizer: Optimizer) -> None:
    """Recorded or not, on small images and whole ones, with plain and with sharpness-aware steps.

    Loosely: over forty steps of five images a rounding that sends a ReLU the other way adds up (measured: 3 %).
    """
    here, there = engine_of(optimizer), engine_of(optimizer, ON_GPU)
    for epoch, radius in enumerate((0.0, 0.0, 0.0, 0.05, 0.05), start=1):
        drawn = draw_epoch_plan(HARD, num_images=40, image_size=(8, 8), batch_size=5, seed=0, epoch=epoch, num_epochs=4)
        rates, weights = np.linspace(1e-4, 1e-3, 8), np.array([1.0, 0.1 * epoch, 0.2])
        ours, theirs = (engine.train(drawn, 0, rates, weights, radius=radius) for engine in (here, there))
        np.testing.assert_allclose(theirs.losses, ours.losses, rtol=0.1)
        assert (theirs.known == ours.known).all()
    assert_close_weights(there.weights(), here.weights())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", [AdamConfig(), SgdConfig(), MuonConfig()], ids=lambda config: config.kind)
def test_a_run_goes_on_on_the_gpu(optimizer: Optimizer) -> None:
    """Recorded steps read the state that was loaded, not the one they were recorded with."""
    rates = np.full(4, 1e-3)
    whole, parts = engine_of(optimizer, ON_GPU), engine_of(optimizer, ON_GPU)
    for epoch in (1, 2, 3, 4):
        whole.train(plan(epoch), 0, rates)
    for epoch in (3, 4):
        parts.train(plan(epoch), 0, rates)
    fresh = engine_of(optimizer, ON_GPU)
    for epoch in (1, 2):
        fresh.train(plan(epoch), 0, rates)
    parts.load_weights(fresh.weights())
    parts.load_optimizer_state(fresh.optimizer_state())
    for epoch in (3, 4):
        parts.train(plan(epoch), 0, rates)
    assert_close_weights(parts.weights(), whole.weights())


def assert_close_weights(ours: Weights, theirs: Weights) -> None:
    """Up to the order of the device's sums, which is another each time."""
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, atol=2e-2 * max(1.0, np.abs(value).max()), err_msg=name)
