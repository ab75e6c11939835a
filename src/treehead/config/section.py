"""The base class of config sections."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every section: immutable and validated; unknown keys are errors; docstrings become descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )
