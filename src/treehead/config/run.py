"""The whole configuration of a run."""

from typing import Literal

from pydantic import Field

from treehead.config.data import AugmentConfig, DataConfig
from treehead.config.loss import CrossEntropyConfig, Loss
from treehead.config.network import NetworkConfig
from treehead.config.optimizer import AdamConfig, Optimizer, SamConfig, ScheduleConfig
from treehead.config.section import FolderName, Section


class TrainConfig(Section):
    """Length of the training and batch size."""

    epochs: int = Field(default=50, ge=1, le=100_000)
    """Number of epochs."""
    batch_size: int = Field(default=256, ge=2, le=1_000_000)
    """Images per step; an incomplete last batch is dropped."""


class EngineConfig(Section):
    """The engine that computes, and its device."""

    kind: Literal["pytorch", "scratch"] = "pytorch"
    """`pytorch`, or `scratch`: NumPy with hand-written gradients, on the CPU in float32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device; `auto`: an accelerator if available."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Precision of convolutions and products; weights are float32. `auto`: bfloat16 if the hardware supports it."""
    threads: int | None = Field(default=None, ge=1, le=4096)
    """CPU threads; all available cores if not set."""


class OutputConfig(Section):
    """Optional outputs of a run."""

    images: bool = True
    """Store a few misclassified test images in the run folder, for its report."""
    tensorboard: bool = False
    """Write TensorBoard events; requires pip install 'treehead[tensorboard]'."""


class RunConfig(Section):
    """The configuration of a run. The same config, code, engine and machine give the same numbers."""

    name: FolderName = "run"
    """Name of the run folder."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Random seed of initial weights, split, shuffling, augmentation and dropout."""
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    network: NetworkConfig = NetworkConfig()
    loss: Loss = CrossEntropyConfig()
    optimizer: Optimizer = AdamConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    sam: SamConfig = SamConfig()
    train: TrainConfig = TrainConfig()
    decode: Literal["independent", "top_down", "path", "marginal", "crm"] = "crm"
    """Decoder: how probabilities become one answer per level; the answers of `independent` may contradict the tree."""
    engine: EngineConfig = EngineConfig()
    output: OutputConfig = OutputConfig()
