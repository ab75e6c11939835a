"""A config from words and files, and back; what is wrong in one is said in a sentence."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from treehead.config.run import RunConfig
from treehead.types import UserError

UNION_TAGS = {"relu", "leaky_relu", "adam", "sgd", "muon", "cross_entropy", "severity", "expected_severity"} | {
    "marginal",
    "hxe",
    "soft_labels",
}
"""Every `kind` of a section that has several."""


def changed(config: RunConfig, changes: Mapping[str, object]) -> RunConfig:
    """Copy `config` with dotted keys replaced, checked again: {"train.epochs": 5}.

    Conventions: a changed `kind` starts its section anew, so that no key of the other kind is left;
        kinds are changed first, whatever their order in `changes`.
    Raises: UserError: a key that does not exist, naming the nearest; a value out of range.
    """
    tree = config.model_dump()
    for dotted in sorted(changes, key=lambda key: not key.endswith(".kind")):
        *path, last = dotted.split(".")
        node: dict[str, Any] = tree
        for name in path:
            inner = node.get(name)
            if not isinstance(inner, dict):
                raise _unknown_key(dotted, config)
            node = inner
        if last == "kind" and node.get("kind") != changes[dotted]:
            node.clear()
        elif last not in node and "kind" not in node:  # a section with a kind is checked by that kind
            raise _unknown_key(dotted, config)
        node[last] = changes[dotted]
    return _checked(tree)


def read_config(text: str) -> RunConfig:
    """Read a TOML config; keys it leaves out have their defaults.

    Raises: UserError: no TOML, an unknown key, a value out of range.
    """
    try:
        return _checked(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the config is no TOML: {error}") from None


def write_config(config: RunConfig) -> str:
    """Every key of `config` as TOML; keys without a value are left out."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def described(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, object, str]]:
    """Every key of `section` in order: (dotted key, value, meaning)."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from described(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, " ".join((field.description or "").split())


def written(value: object) -> str:
    """A value as one would write it on the command line: key=VALUE."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, BaseModel):
        pairs = value.model_dump(exclude_none=True).items()
        return f"{{{', '.join(f'{key} = {written(inner)}' for key, inner in pairs)}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _checked(tree: Mapping[str, object]) -> RunConfig:
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        known = UNION_TAGS  # pydantic puts a union's tag into the place
        where = ".".join(str(part) for part in first["loc"] if part not in known)
        if first["type"] == "extra_forbidden":
            raise _unknown_key(where, RunConfig()) from None
        given = first["input"] if not isinstance(first["input"], Mapping) else first["input"].get("kind")
        wrong = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{where} = {given!r}: {wrong[0].lower()}{wrong[1:]}") from None


def _unknown_key(dotted: str, config: RunConfig) -> UserError:
    nearest = difflib.get_close_matches(dotted, [key for key, _, _ in described(config)], n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return UserError(f"there is no config key {dotted}; {hint}`treehead config` lists them all")
