"""The engine in NumPy: it predicts; `trainer.py` trains it."""

import numpy as np

from treehead.config import EngineConfig, Optimizer
from treehead.data.dataset import Images
from treehead.engines.objective import Objective
from treehead.engines.scratch.layer import Mode
from treehead.engines.scratch.network import Network
from treehead.engines.scratch.trainer import ScratchTrainer
from treehead.engines.scratch.workspace import Workspace
from treehead.engines.weights import check_weights
from treehead.spec import NetSpec
from treehead.system import usable_cores
from treehead.types import Array, UserError, Weights

PREDICT_BATCH = 250  # images at a time; the result does not depend on it


class ScratchEngine:
    """Implements `engines.api.Engine`.

    Shapes: mean, std: (C,) of pixels scaled to [0, 1]; the network sees (pixel / 255 - mean) / std, computed as
        pixel * scale + shift.
    Conventions: on the CPU, in float32.
    Raises: UserError: a device, a precision or a layer that this engine lacks; weights of another network.
    """

    def __init__(self, spec: NetSpec, weights: Weights, *, mean: Array, std: Array, config: EngineConfig) -> None:
        self.check(config)
        self.network = Network(spec)
        self.work = Workspace(config.threads or usable_cores(), reuse=True)
        self.load_weights(weights)
        self.scale, self.shift = (part.astype(np.float32) for part in (1 / (255 * std), -mean / std))

    @staticmethod
    def check(config: EngineConfig) -> None:
        """See `Engine.check`."""
        for key, only in (("device", "cpu"), ("precision", "float32")):
            if (wanted := getattr(config, key)) not in ("auto", only):
                raise UserError(
                    f"engine.{key} = {wanted!r}: the scratch engine supports only {only}; use engine.kind=pytorch"
                )

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def precision(self) -> str:
        return "float32"

    @property
    def accelerator(self) -> None:
        """See `Engine.accelerator`."""
        return None

    def predict(self, pixels: Array) -> list[Array]:
        """See `Engine.predict`."""
        parts: list[list[Array]] = []
        mode = Mode(training=False, work=self.work)
        with self.work.single_threaded_blas():
            for start in range(0, len(pixels), PREDICT_BATCH):
                self.work.begin_step()
                images = pixels[start : start + PREDICT_BATCH].transpose(0, 2, 3, 1)
                logits, _ = self.network.forward(np.ascontiguousarray(images * self.scale + self.shift), mode)
                parts.append(logits)
        return [np.concatenate(level) for level in zip(*parts, strict=True)]

    def weights(self) -> Weights:
        """See `Engine.weights`."""
        return {name: np.array(value, order="C") for name, value in self._state().items()}

    def load_weights(self, weights: Weights) -> None:
        """See `Engine.load_weights`."""
        state = self._state()
        check_weights(weights, state)
        for name, value in state.items():
            value[...] = weights[name]

    def trainer(self, objective: Objective, optimizer: Optimizer, images: Images) -> ScratchTrainer:
        """See `Engine.trainer`."""
        return ScratchTrainer(self, objective, optimizer, images)

    def _state(self) -> Weights:
        return {name: param.value for name, param in self.network.params().items()} | self.network.buffers()
