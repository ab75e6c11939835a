"""The PyTorch engine alone: precisions, devices, memory, CUDA graphs."""

import numpy as np
import pytest
import torch
from tiny_network import FLOAT32, WEIGHTS, engine_of, images, plan, trainer_of

from treehead.config import AdamConfig, AugmentConfig, EngineConfig, MuonConfig, Optimizer, SgdConfig, ShrinkConfig
from treehead.data.augment import draw_epoch_plan
from treehead.types import RunError, UserError, Weights


def test_bfloat16_agrees_with_float32_to_its_precision() -> None:
    pixels = images().pixels
    half = engine_of(EngineConfig(device="cpu", precision="bfloat16"))
    assert (half.device, half.precision) == ("cpu", "bfloat16")
    for a, b in zip(engine_of(FLOAT32["pytorch"]).predict(pixels), half.predict(pixels), strict=True):
        np.testing.assert_allclose(a, b, atol=0.05 * np.abs(a).max())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_an_unavailable_device_is_refused() -> None:
    with pytest.raises(UserError, match=r"engine.device = 'cuda': .* finds no such device; available: .*cpu"):
        engine_of(EngineConfig(device="cuda"))


def test_full_memory_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

    trainer = trainer_of(FLOAT32["pytorch"])
    monkeypatch.setattr(trainer, "_step", full)
    with pytest.raises(RunError, match=r"memory is full; try a smaller train\.batch_size"):
        trainer.train(plan(), 0, np.array([1e-3]), WEIGHTS)


ON_GPU = EngineConfig(device="cuda", precision="float32")
HARD = AugmentConfig(crop_px=2, cutmix=0.5, shrink=(ShrinkConfig(until=0.5, pixels=4),))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", [AdamConfig(), SgdConfig(), MuonConfig()], ids=lambda config: config.kind)
def test_the_gpu_learns_as_the_cpu_does(optimizer: Optimizer) -> None:
    """Recorded or not, on small images and whole ones, with and without SAM.

    Tolerance: over forty steps of five images a rounding that sends a ReLU the other way adds up (measured: 3 %).
    """
    cpu, gpu = trainer_of(FLOAT32["pytorch"], optimizer), trainer_of(ON_GPU, optimizer)
    for epoch, radius in enumerate((0.0, 0.0, 0.0, 0.05, 0.05), start=1):
        drawn = draw_epoch_plan(HARD, num_images=40, image_size=(8, 8), batch_size=5, seed=0, epoch=epoch, num_epochs=4)
        rates, weights = np.linspace(1e-4, 1e-3, 8), np.array([1.0, 0.1 * epoch, 0.2])
        ours, theirs = (trainer.train(drawn, 0, rates, weights, sam_radius=radius) for trainer in (cpu, gpu))
        np.testing.assert_allclose(theirs.losses, ours.losses, rtol=0.1)
        assert (theirs.known == ours.known).all()
    assert_close_weights(gpu.engine.weights(), cpu.engine.weights())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", [AdamConfig(), SgdConfig(), MuonConfig()], ids=lambda config: config.kind)
def test_a_run_is_resumed_on_the_gpu(optimizer: Optimizer) -> None:
    """Recorded steps read the state that was loaded, not the one that they were recorded with."""
    rates = np.full(4, 1e-3)
    whole, parts = trainer_of(ON_GPU, optimizer), trainer_of(ON_GPU, optimizer)
    for epoch in (1, 2, 3, 4):
        whole.train(plan(epoch), 0, rates, WEIGHTS)
    for epoch in (3, 4):
        parts.train(plan(epoch), 0, rates, WEIGHTS)
    fresh = trainer_of(ON_GPU, optimizer)
    for epoch in (1, 2):
        fresh.train(plan(epoch), 0, rates, WEIGHTS)
    parts.engine.load_weights(fresh.engine.weights())
    parts.load_optimizer_state(fresh.optimizer_state())
    for epoch in (3, 4):
        parts.train(plan(epoch), 0, rates, WEIGHTS)
    assert_close_weights(parts.engine.weights(), whole.engine.weights())


def assert_close_weights(ours: Weights, theirs: Weights) -> None:
    """Up to the order of the device's sums, which differs from run to run."""
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, atol=2e-2 * max(1.0, np.abs(value).max()), err_msg=name)
