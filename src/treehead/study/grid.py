"""A study as data: a base config, the axes it varies, the comparisons, and the runs that follow from them.

`config/study.py` shows the TOML form.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

import tomli_w

from treehead.config import RunConfig, changed
from treehead.config.section import FOLDER_NAME
from treehead.config.study import StudyFile, read_study_file, suggestion
from treehead.inputs import shown, shown_path
from treehead.recipes import recipe
from treehead.types import UserError

Changes: TypeAlias = dict[str, object]
Comparison: TypeAlias = tuple[str, str, str]
"""Axis, first choice, second choice."""
MOST_CELLS = 5_000
"""Runs of a study."""
EXTRA, NO_EXTRA = "extra", "none"
"""`--only extra=none` leaves out the extra cells, `--only extra=NAME` everything else."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is varied: the name of every choice, and the config keys that the choice changes."""

    name: str
    choices: dict[str, Changes]


@dataclass(frozen=True, slots=True)
class Extra:
    """An ablation: every cell with the choices `of`, changed once more."""

    name: str
    of: dict[str, str]
    change: Changes


@dataclass(frozen=True, slots=True)
class Study:
    """A grid of configs. `compare`: the comparisons that the summary answers."""

    name: str
    about: str
    base: RunConfig
    axes: tuple[Axis, ...]
    compare: tuple[Comparison, ...]
    extras: tuple[Extra, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a study: its choice on every axis, its extra (None for a cell of the grid), its complete config."""

    name: str
    choices: dict[str, str]
    extra: str | None
    config: RunConfig


def axis(key: str, values: Sequence[object]) -> Axis:
    """An axis along one config key. Raises: UserError: there is no value, or one occurs twice."""
    named = {str(value): {key: value} for value in values}
    if not values or len(named) < len(values):
        raise UserError(f"the axis {key} needs at least one value, and each value once, not {shown(list(values))}")
    return Axis(key, named)


def cells(study: Study, only: Mapping[str, Sequence[str]] | None = None) -> list[Cell]:
    """Every combination of the axes' choices, then the extras; `only` restricts axes to the choices it lists.

    Raises: UserError: `only` names an unknown axis or choice, or leaves no run; a config is not valid.
    """
    only = only or {}
    _check_choices(study, only)
    _check_size(study.name, study.axes, len(study.extras))
    selected = []
    for extra in (None, *study.extras):
        for names in product(*(axis.choices for axis in study.axes)):
            choices = dict(zip((axis.name for axis in study.axes), names, strict=True))
            if extra and any(choices[key] != choice for key, choice in extra.of.items()):
                continue
            place = choices | {EXTRA: extra.name if extra else NO_EXTRA}
            if all(place[key] in allowed for key, allowed in only.items()):
                selected.append(_cell(study, choices, extra))
    if not selected:
        raise UserError(f"--only leaves no run of the study {study.name}; `treehead study ... --list` shows all runs")
    return selected


def _check_size(name: str, axes: Iterable[Axis], num_extras: int) -> None:
    """Raises: UserError: the study has more runs than anybody can start."""
    total = math.prod(len(axis.choices) for axis in axes) * (1 + num_extras)
    if total > MOST_CELLS:
        raise UserError(f"the study {name} has up to {total:,} runs, more than {MOST_CELLS:,}; use fewer choices")


def _cell(study: Study, choices: dict[str, str], extra: Extra | None) -> Cell:
    changes: Changes = {}
    for axis in study.axes:
        changes |= axis.choices[choices[axis.name]]
    parts = [choice if choice[:1].isalpha() else f"{key.split('.')[-1]}{choice}" for key, choice in choices.items()]
    name = re.sub(r"[^\w.]+", "-", "-".join([*parts, *([extra.name] if extra else [])])).strip("-.") or study.name
    if not FOLDER_NAME.fullmatch(name):
        raise UserError(f"a run of the study {study.name} would be called {shown(name)}; rename its choices")
    config = changed(study.base, changes | (extra.change if extra else {}) | {"name": name})
    return Cell(name, choices, extra.name if extra else None, config)


def _check_choices(study: Study, chosen: Mapping[str, Sequence[str]]) -> None:
    """Raises: UserError: an axis or one of the choices does not exist."""
    known = {axis.name: list(axis.choices) for axis in study.axes}
    known[EXTRA] = [NO_EXTRA, *(extra.name for extra in study.extras)]
    for key, choices in chosen.items():
        if key not in known:
            raise UserError(f"the study {study.name} has no axis {key!r}; {suggestion(key, known)}")
        if unknown := [choice for choice in choices if choice not in known[key]]:
            raise UserError(f"the axis {key} has no choice {unknown[0]!r}; {suggestion(unknown[0], known[key])}")


def with_changes(study: Study, changes: Changes) -> Study:
    """The study with another base config. Raises: UserError: a key that the study itself varies."""
    for axis in study.axes:
        varied = {key for choice in axis.choices.values() for key in choice}
        sections = tuple(key.removesuffix("kind") for key in varied if key.endswith(".kind"))
        if fixed := [key for key in changes if key in varied or key.startswith(sections)]:
            raise UserError(
                f"{fixed[0]} cannot be changed: the study {study.name} varies it along its axis {axis.name}; select "
                f"with --only {axis.name}={next(iter(axis.choices))}, or write a study file"
            )
    return replace(study, base=changed(study.base, changes))


def with_seeds(study: Study, number: int) -> Study:
    """The study with every cell repeated for the seeds 0, 1, ... number - 1."""
    others = tuple(axis for axis in study.axes if axis.name != "seed")
    return replace(study, axes=(*others, axis("seed", range(number))))


def default_compare(axes: Iterable[Axis]) -> tuple[Comparison, ...]:
    """The first choice of every axis with each of its others; seeds are repetitions and are not compared."""
    return tuple(
        (axis.name, next(iter(axis.choices)), other)
        for axis in axes
        if axis.name != "seed"
        for other in list(axis.choices)[1:]
    )


def read_study(text: str, where: str) -> Study:
    """A study from TOML; `where` names the file in errors.

    Raises: UserError: the text is not a valid study.
    """
    file = read_study_file(text, where)
    try:
        return _checked(_study(file))
    except UserError as error:
        raise UserError(f"{shown_path(where)}: {error}") from None


def _study(file: StudyFile) -> Study:
    base = changed(recipe(file.recipe) if file.recipe else RunConfig(), file.config)
    named = (Axis(name, dict(choices)) for name, choices in file.choices.items())
    axes = (*named, *(axis(key, values) for key, values in file.axes.items()))
    _check_size(file.name, axes, len(file.extra))
    compare = default_compare(axes) if file.compare is None else tuple(file.compare)
    extras = tuple(Extra(name, table.of, table.change) for name, table in file.extra.items())
    return Study(file.name, file.about, base, axes, compare, extras)


def _checked(study: Study) -> Study:
    """Raises: UserError: a comparison or an extra names an unknown choice, a config is not valid, or two cells share
    a folder."""
    for name, first, second in study.compare:
        _check_choices(study, {name: [first, second]})
    for extra in study.extras:
        _check_choices(study, {key: [choice] for key, choice in extra.of.items()})
    names = [cell.name for cell in cells(study)]
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        raise UserError(f"two runs would have the same name, {repeated[0]}; rename one of their choices")
    return study


def write_study(study: Study) -> str:
    """The study as TOML, with every key of its base config."""
    value: dict[str, Any] = {
        "name": study.name,
        "about": study.about,
        "compare": [list(comparison) for comparison in study.compare],
        "config": study.base.model_dump(mode="json", exclude_none=True),
        "choices": {axis.name: axis.choices for axis in study.axes},
        "extra": {extra.name: {"of": extra.of, "change": extra.change} for extra in study.extras},
    }
    return tomli_w.dumps(value)
