"""The form of a study's TOML file: a base config, and what its runs change of it.

name = "depth"
about = "Does a wider trunk improve accuracy?"
recipe = "shapes"                               # default: the default config
compare = [["optimizer", "adam", "sgd"]]        # default: the first choice of each axis with every other one

[config]                                        # changes of the recipe, for all runs
train.epochs = 10

[axes]                                          # any config key with its values
data.split = ["80:20", "90:10"]
seed = [0, 1, 2]

[choices.optimizer]                             # an axis with named choices, each changing several keys
adam = {optimizer.kind = "adam", optimizer.learning_rate = 0.004}
sgd = {optimizer.kind = "sgd", optimizer.learning_rate = 0.2}

[extra.no-norm]                                 # further runs: every run with the choices `of`, changed once more
of = {optimizer = "adam"}
change = {network.norm = "none"}
"""

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError

from treehead.config.section import FolderName, Section
from treehead.inputs import cut, parsed_toml, printable, shown, shown_path
from treehead.types import UserError


def _flattened(table: object, prefix: str = "") -> object:
    """Nested tables as dotted keys, undoing what TOML makes of dotted keys: {"train": {"epochs": 5}}."""
    if not isinstance(table, dict):
        return table
    flat: dict[str, object] = {}
    for key, value in table.items():
        inner = _flattened(value, f"{prefix}{key}.")
        flat |= inner if isinstance(inner, dict) else {f"{prefix}{key}": inner}
    return flat


Changes: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_flattened)]
"""Config values by dotted key."""
ChoiceName: TypeAlias = Annotated[str, BeforeValidator(str)]
"""The name of a choice; a value of an axis along a config key is named by its text: 0 -> "0"."""


class ExtraTable(Section):
    """Further runs beside the grid."""

    of: Annotated[dict[str, ChoiceName], BeforeValidator(_flattened)] = Field(default_factory=dict)
    """The runs that are repeated, by axis and choice; every run of the grid if empty."""
    change: Changes
    """What is changed in them."""


class StudyFile(Section):
    """A study's TOML file."""

    name: FolderName
    """Goes into the name of the study's folder."""
    about: str = ""
    """What the study asks, in a sentence or two."""
    recipe: str | None = None
    """The recipe that all runs start from; the default config without it."""
    compare: list[tuple[str, ChoiceName, ChoiceName]] | None = None
    """The comparisons of the summary: axis, first choice, second choice."""
    config: Changes = Field(default_factory=dict)
    """What all runs change of the recipe."""
    axes: Annotated[dict[str, list[Any]], BeforeValidator(_flattened)] = Field(default_factory=dict)
    """Axes along one config key: the key, and its values."""
    choices: dict[str, dict[str, Changes]] = Field(default_factory=dict)
    """Axes with named choices: axis, choice, and what the choice changes."""
    extra: dict[str, ExtraTable] = Field(default_factory=dict)
    """Ablations by name."""


def read_study_file(text: str, where: str) -> StudyFile:
    """Read a study's TOML; `where` names it in errors.

    Raises: UserError: the text is not valid TOML, a key is unknown or missing, a value has the wrong form.
    """
    try:
        value = parsed_toml(text)
    except ValueError as error:
        raise UserError(f"{shown_path(where)} is not valid TOML: {cut(printable(str(error)))}") from None
    try:
        return StudyFile.model_validate(value)
    except RecursionError:
        raise UserError(f"{shown_path(where)} is nested too deeply") from None
    except ValidationError as error:
        raise UserError(f"{shown_path(where)}: {_first_mistake(error)}") from None


def _first_mistake(error: ValidationError) -> str:
    mistakes = error.errors()
    misspelt = [mistake for mistake in mistakes if mistake["type"] == "extra_forbidden"]
    first = next(iter(misspelt), mistakes[0])  # a misspelt key also leaves the right one missing
    *table, key = map(str, first["loc"])
    dotted = cut(printable(".".join([*table, key])))
    if first["type"] == "extra_forbidden":
        form = ExtraTable if table else StudyFile
        return f"unknown key {dotted}; {suggestion(key, form.model_fields)}"
    if first["type"] == "missing":
        return f"the key {dotted} is missing"
    message = cut(printable(first["msg"].removeprefix("Value error, ").replace("dictionary", "table")))
    return f"{dotted} = {shown(first['input'])}: {message[0].lower()}{message[1:]}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known word nearest to a misspelt one; all of them if none is near."""
    known = list(known)
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]}?" if nearest else f"available: {cut(printable(', '.join(known))) or 'none'}"
