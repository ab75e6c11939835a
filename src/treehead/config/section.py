"""The base class of config sections."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict

FOLDER_NAME = re.compile(r"\w(?:[\w.-]{0,98}[\w-])?")
"""Names of runs and studies, which become the names of folders."""


def _folder_name(name: str) -> str:
    if not FOLDER_NAME.fullmatch(name):
        raise ValueError("this cannot be a folder name; begin with a letter or digit and use '.', '-' and '_'")
    return name


FolderName: TypeAlias = Annotated[str, AfterValidator(_folder_name)]


class Section(BaseModel):
    """Base of every section: immutable and validated; unknown keys are errors; docstrings become descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )
