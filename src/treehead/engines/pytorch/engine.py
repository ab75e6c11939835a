"""The engine on PyTorch: it predicts; `trainer.py` trains it.

Axes: B batch, C channels, H W image.
"""

import numpy as np
import torch
from torch import Tensor

from treehead.config import EngineConfig, Optimizer
from treehead.data.dataset import Images
from treehead.engines.objective import Objective
from treehead.engines.pytorch.machine import choose_device, choose_precision, name_of, within_memory
from treehead.engines.pytorch.network import Network, named_state, numpy_copy
from treehead.engines.pytorch.trainer import PyTorchTrainer
from treehead.engines.weights import check_weights
from treehead.spec import NetSpec
from treehead.system import usable_cores
from treehead.types import Array, Weights

PREDICT_BATCH = 500  # images at a time; the result does not depend on it


class PyTorchEngine:
    """Implements `engines.api.Engine`.

    Shapes: mean, std: (C,) of pixels scaled to [0, 1]; the network sees (pixel / 255 - mean) / std.
    Conventions: parameters are float32; convolutions and products run in `precision` (torch.autocast).
    Raises: UserError: torch does not find the device; weights of another network.
    """

    def __init__(self, spec: NetSpec, weights: Weights, *, mean: Array, std: Array, config: EngineConfig) -> None:
        self.torch_device = choose_device(config.device)
        self.dtype = choose_precision(config.precision, self.torch_device)
        torch.set_num_threads(config.threads or usable_cores())
        torch.set_flush_denormal(True)  # tiny optimizer moments would slow the CPU down
        torch.backends.cudnn.benchmark = True  # shapes repeat, so the fastest algorithm for each is worth its search
        self.network = Network(spec).to(self.torch_device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.load_weights(weights)
        self._scale = self.upload(1 / (255 * std)).view(-1, 1, 1)
        self._shift = self.upload(-mean / std).view(-1, 1, 1)

    @staticmethod
    def check(config: EngineConfig) -> None:
        """See `Engine.check`."""
        choose_device(config.device)

    @property
    def device(self) -> str:
        return self.torch_device.type

    @property
    def precision(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    @property
    def accelerator(self) -> str | None:
        """See `Engine.accelerator`."""
        return name_of(self.torch_device)

    @within_memory()
    @torch.inference_mode()
    def predict(self, pixels: Array) -> list[Array]:
        """See `Engine.predict`."""
        self.network.eval()
        parts: list[list[Tensor]] = []
        for start in range(0, len(pixels), PREDICT_BATCH):
            part = np.array(pixels[start : start + PREDICT_BATCH])  # a copy: torch takes no read-only arrays
            batch = torch.from_numpy(part).to(self.torch_device).permute(0, 2, 3, 1)
            parts.append(self.forward(self.standardised(batch)))
        return [torch.cat(level).cpu().numpy() for level in zip(*parts, strict=True)]

    def weights(self) -> Weights:
        """See `Engine.weights`."""
        return {name: numpy_copy(value) for name, value in named_state(self.network).items()}

    def load_weights(self, weights: Weights) -> None:
        """See `Engine.load_weights`."""
        check_weights(weights, self.weights())
        with torch.no_grad():
            for name, value in named_state(self.network).items():
                value.copy_(torch.from_numpy(np.ascontiguousarray(weights[name], np.float32)))

    @within_memory()
    def trainer(self, objective: Objective, optimizer: Optimizer, images: Images) -> PyTorchTrainer:
        """See `Engine.trainer`."""
        return PyTorchTrainer(self, objective, optimizer, images)

    def forward(self, batch: Tensor) -> list[Tensor]:
        """Logits of every head in float32. Shapes: batch: (B, C, H, W), standardised."""
        with torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.network(batch)
        return [head.float() for head in logits]

    def standardised(self, batch_NHWC: Tensor) -> Tensor:
        """Bytes -> what the network sees, (B, C, H, W) in `precision`."""
        return (batch_NHWC.permute(0, 3, 1, 2) * self._scale + self._shift).to(self.dtype)

    def upload(self, array: Array) -> Tensor:
        """A float32 copy on the device."""
        return torch.from_numpy(np.asarray(array, np.float32)).to(self.torch_device)
