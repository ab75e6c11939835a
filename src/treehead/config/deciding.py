"""The config values that decide what a run learns, as opposed to where its files are and what computes it."""

from collections.abc import Mapping
from typing import Any

from treehead.config.run import RunConfig

ELSEWHERE = ("engine", "output", "name", "decode")
"""Sections and keys that change no training: the engine that computes, optional outputs, the folder, and the
decoder, which can be chosen anew for a trained network."""
PLACES = ("data.name", "data.root", "data.cache", "data.unreadable_share")
"""Where the images are: which ones were read is known by their content."""


def deciding(config: RunConfig) -> dict[str, Any]:
    """The deciding values by dotted key, as JSON has them."""
    values: dict[str, Any] = {}
    for section, value in config.model_dump(mode="json", exclude=set(ELSEWHERE)).items():
        if isinstance(value, dict):
            values |= {f"{section}.{key}": inner for key, inner in value.items()}
        else:
            values[section] = value
    return {key: value for key, value in values.items() if key not in PLACES}


def first_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first key whose values differ, with both values; a key that one of them lacks has the default value there."""
    defaults = deciding(RunConfig())
    for key in sorted(before.keys() | after.keys()):
        pair = tuple(values.get(key, defaults.get(key)) for values in (before, after))
        if pair[0] != pair[1]:
            return key, *pair
    return None
