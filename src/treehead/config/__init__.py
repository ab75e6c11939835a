"""Every setting with its meaning, unit and range.

A config is frozen. The only way to change one is `changed`, which validates the whole again.
"""

from treehead.config.data import AugmentConfig as AugmentConfig
from treehead.config.data import DataConfig as DataConfig
from treehead.config.data import ShrinkConfig as ShrinkConfig
from treehead.config.deciding import deciding as deciding
from treehead.config.deciding import first_difference as first_difference
from treehead.config.loss import CrossEntropyConfig as CrossEntropyConfig
from treehead.config.loss import CustomLossConfig as CustomLossConfig
from treehead.config.loss import ExpectedSeverityConfig as ExpectedSeverityConfig
from treehead.config.loss import HxeConfig as HxeConfig
from treehead.config.loss import Loss as Loss
from treehead.config.loss import LossConfig as LossConfig
from treehead.config.loss import MarginalConfig as MarginalConfig
from treehead.config.loss import SeverityConfig as SeverityConfig
from treehead.config.loss import SoftLabelsConfig as SoftLabelsConfig
from treehead.config.network import LeakyReluConfig as LeakyReluConfig
from treehead.config.network import NetworkConfig as NetworkConfig
from treehead.config.network import ReluConfig as ReluConfig
from treehead.config.network import SiluConfig as SiluConfig
from treehead.config.network import StageConfig as StageConfig
from treehead.config.optimizer import AdamConfig as AdamConfig
from treehead.config.optimizer import MuonConfig as MuonConfig
from treehead.config.optimizer import Optimizer as Optimizer
from treehead.config.optimizer import SamConfig as SamConfig
from treehead.config.optimizer import ScheduleConfig as ScheduleConfig
from treehead.config.optimizer import SgdConfig as SgdConfig
from treehead.config.reading import changed as changed
from treehead.config.reading import described as described
from treehead.config.reading import read_config as read_config
from treehead.config.reading import write_config as write_config
from treehead.config.reading import written as written
from treehead.config.run import EngineConfig as EngineConfig
from treehead.config.run import OutputConfig as OutputConfig
from treehead.config.run import RunConfig as RunConfig
from treehead.config.run import TrainConfig as TrainConfig
from treehead.config.section import Section as Section
