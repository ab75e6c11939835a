"""The scratch engine: what it refuses, that it repeats itself, and that it runs without Numba."""

import os
import subprocess
import sys

import numpy as np
import pytest

from treehead.config import AdamConfig, AugmentConfig, EngineConfig, MuonConfig, NetworkConfig, StageConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.engines.objective import Objective
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.scratch.network import Network
from treehead.engines.scratch.workspace import Workspace
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed
from treehead.spec import Conv2d, Linear, NetSpec, Residual, build_spec
from treehead.types import Array, UserError

SIZES = (6, 3, 2)
SPEC = build_spec(
    NetworkConfig(stages=(StageConfig(width=8, middle=4), StageConfig(width=12, shrink="stride")), dropout=0.2),
    input_shape=(3, 8, 8),
    levels=("fine", "superclass", "group"),
    sizes=SIZES,
)
OBJECTIVE = Objective(tuple(smoothed(np.eye(size), 0.1) for size in SIZES), np.array([1.0, 0.5, 0.25]))


def engine_of(optimizer: AdamConfig | MuonConfig | None = None, config: EngineConfig | None = None) -> ScratchEngine:
    engine = ScratchEngine(
        SPEC,
        initial_weights(SPEC, seed=1),
        mean=np.full(3, 0.5),
        std=np.full(3, 0.25),
        objective=OBJECTIVE,
        optimizer=optimizer or AdamConfig(),
        config=config or EngineConfig(kind="scratch", threads=2),
    )
    engine.load_images(*images())
    return engine


def images(num: int = 40) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    fine = rng.integers(6, size=num)
    return rng.integers(256, size=(num, 3, 8, 8), dtype=np.uint8), np.stack([fine, fine // 2, fine // 4], axis=1)


def plan(epoch: int = 1, augment: AugmentConfig | None = None) -> EpochPlan:
    augment = augment or AugmentConfig(crop_px=2)
    return draw_epoch_plan(augment, num_images=40, image_size=(8, 8), batch_size=10, seed=0, epoch=epoch)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"device": "cuda"}, "engine.device = 'cuda': the scratch engine has cpu alone; use engine.kind=pytorch"),
        ({"precision": "bfloat16"}, "engine.precision = 'bfloat16': the scratch engine has float32 alone"),
    ],
)
def test_what_it_lacks_is_refused(choice: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        engine_of(config=EngineConfig.model_validate({"kind": "scratch"} | choice))


def test_a_layer_it_lacks_is_refused() -> None:
    bare = NetSpec((3, 8, 8), (("odd", Residual((("conv", Conv2d(3, 3)),))),), (("fine", Linear(3, 2)),))
    with pytest.raises(
        UserError, match=r"has no layer for odd, a residual sum that no norm ends; use engine.kind=pytorch"
    ):
        Network(bare)


@pytest.mark.parametrize("optimizer", [AdamConfig(learning_rate=3e-3), MuonConfig()])
def test_threads_chunks_and_interruptions_change_no_bit(optimizer: AdamConfig | MuonConfig) -> None:
    """Steps in one go, or in chunks and handed over to a fresh engine half-way: the same weights to the bit."""
    rates = np.linspace(1e-2, 1e-3, 4)
    whole, parts = engine_of(optimizer), engine_of(optimizer, EngineConfig(kind="scratch", threads=1))
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
    engine, (pixels, _) = engine_of(), images(30)
    pixels.flags.writeable = False  # as files read whole are
    together, alone = engine.predict(pixels), engine.predict(pixels[7:8])
    assert [level.shape for level in together] == [(30, size) for size in SIZES]
    assert {level.dtype for level in together} == {np.dtype(np.float32)}
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[7:8], b, atol=1e-5)


def test_answers_outlive_the_next_step() -> None:
    """Weights and logits are copies, not the workspace's memory."""
    engine, (pixels, _) = engine_of(), images()
    weights, logits = engine.weights(), engine.predict(pixels)
    kept = {name: value.copy() for name, value in weights.items()}, [level.copy() for level in logits]
    engine.train(plan(), 0, np.full(4, 1e-2))
    assert all((kept[0][name] == weights[name]).all() for name in weights)
    assert all((a == b).all() for a, b in zip(kept[1], logits, strict=True))


def test_a_workspace_lends_its_memory_again() -> None:
    work = Workspace(2, reuse=True)
    first, other = work.empty((3, 4), np.dtype(np.float32)), work.empty((3, 4), np.dtype(np.float32))
    assert not np.shares_memory(first, other)
    work.begin_step()
    assert np.shares_memory(work.empty((12,), np.dtype(np.float32)), other)


def test_blocks_cover_all_in_order_and_errors_come_through() -> None:
    work = Workspace(2)
    assert work.over_blocks(lambda start, stop: (start, stop), 7, block=3) == [(0, 3), (3, 6), (6, 7)]

    def fail(start: int, stop: int) -> None:
        if start == 3:
            raise FloatingPointError("in a block")

    with pytest.raises(FloatingPointError, match="in a block"):
        work.over_blocks(fail, 7, block=3)


WITHOUT_NUMBA = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from test_scratch_engine import engine_of, plan
from treehead.engines.scratch.twins import COMPILED
assert not COMPILED and "numba" not in sys.modules
print(engine_of().train(plan(), 0, np.full(4, 1e-3)).losses.tolist())
"""


def test_it_runs_without_numba() -> None:
    """The plain twins give the same losses."""
    code = WITHOUT_NUMBA.format(folder=os.path.dirname(__file__))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert said.returncode == 0, said.stderr
    compiled = engine_of().train(plan(), 0, np.full(4, 1e-3)).losses
    np.testing.assert_allclose(np.array(eval(said.stdout)), compiled, rtol=1e-4)
