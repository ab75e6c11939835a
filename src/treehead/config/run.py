"""All of it: everything that decides a run."""

from typing import Literal

from pydantic import Field

from treehead.config.data import AugmentConfig, DataConfig
from treehead.config.loss import CrossEntropyConfig, Loss
from treehead.config.network import NetworkConfig
from treehead.config.optimizer import AdamConfig, Optimizer, ScheduleConfig, SharpnessConfig
from treehead.config.section import Section


class TrainConfig(Section):
    epochs: int = Field(default=50, ge=1)
    """Passes over the training images."""
    batch_size: int = Field(default=256, ge=2)
    """Images per step; the rest of an epoch that fills no batch is left to the next shuffle."""


class EngineConfig(Section):
    """What computes."""

    kind: Literal["pytorch", "scratch"] = "pytorch"
    """What computes: `pytorch`, or `scratch`, NumPy by hand on the CPU in float32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto`: an accelerator if there is one."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of the arithmetic; weights stay float32. `auto`: bfloat16 where the machine computes in it natively."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; without it all that the process may use."""


class OutputConfig(Section):
    """What a run leaves behind beside its figures."""

    images: bool = True
    """Keep a few misread test images in the run folder, for its report."""
    tensorboard: bool = False
    """Also write TensorBoard events; needs the extra: pip install 'treehead[tensorboard]'."""


class RunConfig(Section):
    """Everything that decides a run. Same config, code, engine and machine: same numbers."""

    name: str = Field(default="run", pattern=r"^[\w.-]+$")
    """Goes into the name of the run folder."""
    seed: int = Field(default=0, ge=0)
    """Of the initial weights, the shuffles, the crops and flips, the dropout and the split."""
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    network: NetworkConfig = NetworkConfig()
    loss: Loss = CrossEntropyConfig()
    optimizer: Optimizer = AdamConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    sharpness: SharpnessConfig = SharpnessConfig()
    train: TrainConfig = TrainConfig()
    decode: Literal["independent", "top_down", "path", "marginal", "crm"] = "independent"
    """How the heads' probabilities become one answer; all but `independent` agree with the tree."""
    engine: EngineConfig = EngineConfig()
    output: OutputConfig = OutputConfig()
