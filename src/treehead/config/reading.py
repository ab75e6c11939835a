"""Configs from files and overrides, and back to text; an error is one sentence."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, ValidationError

from treehead.config.renamed import current_changes, with_current_keys
from treehead.config.run import RunConfig
from treehead.inputs import cut, parsed_toml, printable, shown
from treehead.types import UserError


def _union_tags(section: type[BaseModel]) -> Iterator[str]:
    """The `kind` of every alternative of every union below a section."""
    for field in section.model_fields.values():
        alternatives = get_args(field.annotation) if field.discriminator else (field.annotation,)
        for model in alternatives:
            if isinstance(model, type) and issubclass(model, BaseModel):
                yield from [model.model_fields["kind"].default] if field.discriminator else []
                yield from _union_tags(model)


UNION_TAGS = frozenset(_union_tags(RunConfig))
"""Every `kind` by which pydantic tells the alternatives of a union apart; it adds them to the place of an error."""


def changed(config: RunConfig, changes: Mapping[str, object]) -> RunConfig:
    """Copy a config with some keys changed, and validate it again.

    A changed `kind` resets its section to the defaults of that kind; kinds are changed first, whatever their order.

    Args:
        config: The config to start from; it is not modified.
        changes: Dotted keys and their new values, such as `{"train.epochs": 5}`.

    Returns:
        The changed config.

    Raises:
        UserError: A key does not exist (the message names the nearest) or a value is out of range.
    """
    tree, changes = config.model_dump(), current_changes(changes)
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

    Raises: UserError: invalid TOML, an unknown key, a value out of range.
    """
    try:
        tree = parsed_toml(text)
    except ValueError as error:
        raise UserError(f"the config is not valid TOML: {cut(printable(str(error)))}") from None
    return _checked(with_current_keys(tree))


def write_config(config: RunConfig) -> str:
    """Every key of `config` as TOML; keys without a value are omitted."""
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
    """A value as it is written in an override: key=VALUE."""
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
    except RecursionError:
        raise UserError("the config is nested too deeply") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in UNION_TAGS)
        if first["type"] == "extra_forbidden":
            raise _unknown_key(where, RunConfig()) from None
        given = first["input"] if not isinstance(first["input"], Mapping) else first["input"].get("kind")
        wrong = cut(printable(first["msg"].removeprefix("Value error, ")))
        raise UserError(f"{cut(printable(where))} = {shown(given)}: {wrong[0].lower()}{wrong[1:]}") from None


def _unknown_key(dotted: str, config: RunConfig) -> UserError:
    dotted = cut(printable(dotted))
    nearest = difflib.get_close_matches(dotted, [key for key, _, _ in described(config)], n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return UserError(f"there is no config key {dotted}; {hint}`treehead config` lists all keys")
