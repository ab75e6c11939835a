"""Old names of config keys: config files and overrides that use them still work, with a warning."""

import warnings
from collections.abc import Mapping
from typing import Any

from treehead.types import UserError

RENAMED = {"sharpness": "sam"}
"""Old key or section -> new one, both dotted from the top."""


def current_changes(changes: Mapping[str, object]) -> dict[str, object]:
    """Dotted keys and their values, every key under its current name; warns of each that was renamed."""
    current = dict(changes)
    for key in changes:
        for old, new in RENAMED.items():
            if key == old or key.startswith(f"{old}."):
                renamed = new + key.removeprefix(old)
                _warn(key, renamed)
                current[renamed] = current.pop(key)
    return current


def with_current_keys(tree: dict[str, Any]) -> dict[str, Any]:
    """A nested config with every key under its current name; warns of each that was renamed.

    Raises: UserError: a key is given under both names.
    """
    for old, new in RENAMED.items():
        *old_path, old_name = old.split(".")
        section = _section(tree, old_path)
        if section is None or old_name not in section:
            continue
        *new_path, new_name = new.split(".")
        target = _section(tree, new_path, make=True)
        if target is None or new_name in target:
            raise UserError(f"the config has both {old} and {new}, its current name; remove {old}")
        _warn(old, new)
        target[new_name] = section.pop(old_name)
    return tree


def _section(tree: dict[str, Any], path: list[str], *, make: bool = False) -> dict[str, Any] | None:
    node: Any = tree
    for name in path:
        if make:
            node.setdefault(name, {})
        node = node.get(name)
        if not isinstance(node, dict):
            return None
    return node


def _warn(old: str, new: str) -> None:
    message = f"the config key {old} is now called {new}; the old name still works"
    warnings.warn(message, FutureWarning, stacklevel=4)  # attributed to the caller of `changed` or `read_config`
