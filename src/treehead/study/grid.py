"""A study as data: a base config, the axes it is varied along, what is compared, and the runs that follow from it.

In TOML:

    name = "depth"
    about = "Does a deeper trunk pay for itself?"
    recipe = "shapes"                               # or nothing: the defaults
    compare = [["optimizer", "adam", "sgd"]]        # or nothing: the first choice of each axis with each other one

    [config]                                        # what all runs change of the recipe
    train.epochs = 10

    [axes]                                          # any config key with its values
    data.split = ["80:20", "90:10"]
    seed = [0, 1, 2]

    [choices.optimizer]                             # an axis whose choices have names and change several keys
    adam = {optimizer.kind = "adam", optimizer.learning_rate = 0.004}
    sgd = {optimizer.kind = "sgd", optimizer.learning_rate = 0.2}

    [extra.no-norm]                                 # further runs: every cell like `of`, changed once more
    of = {optimizer = "adam"}
    change = {network.norm = "none"}
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

import tomli_w

from treehead.config import RunConfig, changed
from treehead.recipes import recipe
from treehead.types import UserError

Changes: TypeAlias = dict[str, object]
KEYS = ("name", "about", "recipe", "compare", "config", "axes", "choices", "extra")
EXTRA, PLAIN = "extra", "none"
"""`--only extra=none` leaves out the extra cells, `--only extra=NAME` everything else."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that is varied: the name of every choice, and the config keys that it changes."""

    name: str
    choices: dict[str, Changes]


@dataclass(frozen=True, slots=True)
class Extra:
    """Every cell whose choices are those of `of`, changed once more: an ablation."""

    name: str
    of: dict[str, str]
    change: Changes


@dataclass(frozen=True, slots=True)
class Study:
    """`compare` lists (axis, first choice, second choice): the questions that the summary answers."""

    name: str
    about: str
    base: RunConfig
    axes: tuple[Axis, ...]
    compare: tuple[tuple[str, str, str], ...]
    extras: tuple[Extra, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a study: its choice along every axis, the extra it is, if one, and its complete config."""

    name: str
    at: dict[str, str]
    extra: str | None
    config: RunConfig


def axis(key: str, values: Sequence[object]) -> Axis:
    """An axis along one config key. Raises: UserError: no value, or one twice."""
    named = {str(value): {key: value} for value in values}
    if not values or len(named) < len(values):
        raise UserError(f"the axis {key} needs values, each once; it has {list(values)}")
    return Axis(key, named)


def cells(study: Study, only: Mapping[str, Sequence[str]] | None = None) -> list[Cell]:
    """Every combination of the axes' choices, then the extras; with `only`, those whose choices it names.

    Raises: UserError: `only` names an axis or a choice that is not there; a config that does not hold together.
    """
    only = only or {}
    _check_only(study, only)
    found = []
    for extra in (None, *study.extras):
        for names in product(*(axis.choices for axis in study.axes)):
            at = dict(zip((axis.name for axis in study.axes), names, strict=True))
            if extra and any(at[key] != choice for key, choice in extra.of.items()):
                continue
            if any((at | {EXTRA: extra.name if extra else PLAIN})[key] not in chosen for key, chosen in only.items()):
                continue
            found.append(_cell(study, at, extra))
    if not found:
        raise UserError(f"no run of the study {study.name} is left after --only; see `treehead study ... --list`")
    return found


def _cell(study: Study, at: dict[str, str], extra: Extra | None) -> Cell:
    changes: Changes = {}
    for axis in study.axes:
        changes |= axis.choices[at[axis.name]]
    words = [choice if choice[0].isalpha() else f"{key.split('.')[-1]}{choice}" for key, choice in at.items()]
    name = re.sub(r"[^\w.]+", "-", "-".join([*words, *([extra.name] if extra else [])])).strip("-") or study.name
    config = changed(study.base, changes | (extra.change if extra else {}) | {"name": name})
    return Cell(name, at, extra.name if extra else None, config)


def _check_only(study: Study, only: Mapping[str, Sequence[str]]) -> None:
    known = {axis.name: list(axis.choices) for axis in study.axes} | {EXTRA: [PLAIN, *(e.name for e in study.extras)]}
    for key, chosen in only.items():
        if key not in known:
            raise UserError(f"the study {study.name} has no axis {key!r}; {_nearest(key, known)}")
        for choice in chosen:
            if choice not in known[key]:
                raise UserError(f"the axis {key} has no choice {choice!r}; {_nearest(choice, known[key])}")


def with_changes(study: Study, changes: Changes) -> Study:
    """The study with another base. Raises: UserError: a key that the study itself varies."""
    for word in changes:
        for axis in study.axes:
            varied = {key for choice in axis.choices.values() for key in choice}
            sections = {key.removesuffix("kind") for key in varied if key.endswith(".kind")}
            if word in varied or any(word.startswith(section) for section in sections):
                raise UserError(
                    f"{word} is what the study {study.name} varies along its axis {axis.name}; narrow it with "
                    f"--only {axis.name}={next(iter(axis.choices))}, or write a study of your own"
                )
    return replace(study, base=changed(study.base, changes))


def with_seeds(study: Study, number: int) -> Study:
    """The study with every cell repeated for the seeds 0, 1, ... number - 1."""
    others = tuple(axis for axis in study.axes if axis.name != "seed")
    return replace(study, axes=(*others, axis("seed", range(number))))


def default_compare(axes: Iterable[Axis]) -> tuple[tuple[str, str, str], ...]:
    """The first choice of every axis with each of its others; seeds are repeats, not a question."""
    return tuple(
        (axis.name, next(iter(axis.choices)), other)
        for axis in axes
        if axis.name != "seed"
        for other in list(axis.choices)[1:]
    )


def read_study(text: str, where: str) -> Study:
    """A study from TOML; its form stands at the head of this module.

    Raises: UserError: no TOML, an unknown key, a choice that is not there; `where` is named.
    """
    try:
        told: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where} is no TOML: {error}") from None
    for key in told:
        if key not in KEYS:
            raise UserError(f"{where}: a study has no key {key!r}; {_nearest(key, KEYS)}")
    try:
        base = changed(recipe(told["recipe"]) if "recipe" in told else RunConfig(), _flat(told.get("config", {})))
        named = [Axis(name, {k: _flat(v) for k, v in table.items()}) for name, table in _table(told, "choices").items()]
        axes = (*named, *(axis(key, list(values)) for key, values in _flat(_table(told, "axes")).items()))  # pyright: ignore
        extras = tuple(
            Extra(name, {k: str(v) for k, v in _flat(table.get("of", {})).items()}, _flat(table["change"]))
            for name, table in _table(told, "extra").items()
        )
        compare = (
            tuple((a, str(b), str(c)) for a, b, c in told["compare"]) if "compare" in told else default_compare(axes)
        )
        study = Study(str(told["name"]), str(told.get("about", "")), base, axes, compare, extras)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        missing = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{where} is no study: {missing}; `treehead study --help` shows the form") from None
    return _checked(study, where)


def _checked(study: Study, where: str) -> Study:
    """Raises: UserError: a comparison or an extra names what is not there, or two cells would be one folder."""
    if not re.fullmatch(r"[\w.-]+", study.name):
        raise UserError(f"{where}: the name {study.name!r} is no folder's name; use letters, digits, - and _")
    for name, first, second in study.compare:
        _check_only(study, {name: [first, second]})
    for extra in study.extras:
        _check_only(study, {key: [choice] for key, choice in extra.of.items()})
    names = [cell.name for cell in cells(study)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{where}: two runs would be called {twice[0]}; name the choices apart")
    return study


def write_study(study: Study) -> str:
    """The study as TOML, its base config complete."""
    config = study.base.model_dump(mode="json", exclude_none=True)
    value: dict[str, Any] = {
        "name": study.name,
        "about": study.about,
        "compare": [list(pair) for pair in study.compare],
        "config": config,
        "choices": {axis.name: axis.choices for axis in study.axes},
        "extra": {extra.name: {"of": extra.of, "change": extra.change} for extra in study.extras},
    }
    return tomli_w.dumps(value)


def _table(told: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = told.get(key, {})
    if not isinstance(value, dict):
        raise TypeError(f"{key} is no table")
    return value


def _flat(table: Mapping[str, Any], prefix: str = "") -> Changes:
    """Nested tables as dotted keys, as TOML's own dotted keys are read: {"train": {"epochs": 5}}."""
    flat: Changes = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
