"""The base class of config sections."""

import re

from pydantic import BaseModel, ConfigDict

FOLDER_NAME = re.compile(r"\w(?:[\w.-]{0,98}[\w-])?")
"""Names of runs and studies, which become the names of folders."""


class Section(BaseModel):
    """Base of every section: immutable and validated; unknown keys are errors; docstrings become descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )
