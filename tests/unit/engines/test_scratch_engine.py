"""The scratch engine alone: what it refuses, threads, memory, and that it runs without Numba."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_network import FLOAT32, WEIGHTS, engine_of, plan, trainer_of

from treehead.config import AdamConfig, EngineConfig, MuonConfig, Optimizer
from treehead.engines.scratch.network import Network
from treehead.engines.scratch.workspace import Workspace
from treehead.spec import BatchNorm2d, Conv2d, LeakyReLU, Linear, NetSpec, Residual
from treehead.types import UserError


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"device": "cuda"}, "engine.device = 'cuda': the scratch engine supports only cpu; use engine.kind=pytorch"),
        ({"precision": "bfloat16"}, "engine.precision = 'bfloat16': the scratch engine supports only float32"),
    ],
)
def test_unsupported_settings_are_refused(choice: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        engine_of(EngineConfig.model_validate({"kind": "scratch"} | choice))


def network(*trunk: tuple[str, object]) -> Network:
    return Network(NetSpec((3, 8, 8), trunk, (("fine", Linear(3, 2)),)))  # pyright: ignore[reportArgumentType]


def test_an_unsupported_layer_is_refused() -> None:
    message = "does not support the layer odd, a residual block that does not end in a norm; use engine.kind=pytorch"
    with pytest.raises(UserError, match=message):
        network(("odd", Residual((("conv", Conv2d(3, 3)),))))


def test_an_activation_is_fused_into_the_norm_or_residual_before_it() -> None:
    body = (("conv", Conv2d(3, 3)), ("norm", BatchNorm2d(3)))
    made = network(
        ("act0", LeakyReLU(0.4)),
        ("norm", BatchNorm2d(3)),
        ("act1", LeakyReLU(0.1)),
        ("act2", LeakyReLU(0.2)),
        ("residual", Residual(body)),
        ("act3", LeakyReLU(0.3)),
        ("last", BatchNorm2d(3)),
    )
    layers = dict(made.trunk.layers)
    assert list(layers) == ["act0", "norm", "act2", "residual", "last"]
    slopes = [layer.slope if hasattr(layer, "slope") else layer.norm.slope for layer in layers.values()]  # pyright: ignore[reportAttributeAccessIssue]
    assert slopes == [0.4, 0.1, 0.2, 0.3, 1.0]


@pytest.mark.parametrize("optimizer", [AdamConfig(), MuonConfig()], ids=lambda optimizer: optimizer.kind)
def test_the_number_of_threads_changes_no_bit(optimizer: Optimizer) -> None:
    one, two = (trainer_of(EngineConfig(kind="scratch", threads=threads), optimizer) for threads in (1, 2))
    for trainer in (one, two):
        trainer.train(plan(), 0, np.full(4, 1e-2), WEIGHTS)
    ours, theirs = one.engine.weights(), two.engine.weights()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_a_workspace_reuses_its_memory() -> None:
    work = Workspace(2, reuse=True)
    first, other = work.empty((3, 4), np.dtype(np.float32)), work.empty((3, 4), np.dtype(np.float32))
    assert not np.shares_memory(first, other)
    work.begin_step()
    assert np.shares_memory(work.empty((12,), np.dtype(np.float32)), other)


def test_blocks_cover_the_range_in_order_and_raise_errors() -> None:
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
from tiny_network import FLOAT32, WEIGHTS, plan, trainer_of
from treehead.engines.scratch.kernels import COMPILED
assert not COMPILED and "numba" not in sys.modules
print(trainer_of(FLOAT32["scratch"]).train(plan(), 0, np.full(4, 1e-3), WEIGHTS).losses.tolist())
"""


def test_it_runs_without_numba() -> None:
    """The NumPy kernels give the same losses."""
    code = WITHOUT_NUMBA.format(folder=os.path.dirname(__file__))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    compiled = trainer_of(FLOAT32["scratch"]).train(plan(), 0, np.full(4, 1e-3), WEIGHTS).losses
    np.testing.assert_allclose(np.array(eval(run.stdout)), compiled, rtol=1e-4)
