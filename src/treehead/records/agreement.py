"""Whether a value that was read from JSON has the type of a record: every key, and every number where one should be."""

import math
import types
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def disagreement(value: object, kind: Any, where: str = "") -> str | None:
    """What is wrong with `value` as a `kind`: a TypedDict, a list, a dict, a union or a plain type; None if nothing is.

    Conventions: a whole number counts as a float, true and false as no numbers; NaN and infinity are not allowed. Keys
        that the type does not have are ignored.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return disagreement(value, inner[0], where)
    if origin in (Union, types.UnionType):
        found = [disagreement(value, each, where) for each in inner]
        return None if None in found else found[0]
    if is_typeddict(kind):
        return _in_record(value, kind, where)
    if origin in (list, dict):
        if not isinstance(value, origin):
            return f"{where or 'it'} is no {origin.__name__}"
        items = value.items() if isinstance(value, dict) else enumerate(value)  # pyright: ignore[reportArgumentType]
        found = (disagreement(each, inner[-1], f"{where}[{key}]") for key, each in items)
        return next((text for text in found if text), None)
    return None if _is_plain(value, kind) else f"{where or 'it'} is no {getattr(kind, '__name__', kind)}"


def _in_record(value: object, kind: Any, where: str) -> str | None:
    if not isinstance(value, dict):
        return f"{where or 'it'} is no object"
    required: frozenset[str] = kind.__required_keys__
    for key, each in get_type_hints(kind, include_extras=True).items():
        if key in value:
            if text := disagreement(value[key], each, f"{where}.{key}" if where else key):
                return text
        elif key in required:
            return f"key {key!r} is missing{f' in {where}' if where else ''}"
    return None


def _is_plain(value: object, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value is None if kind in (None, types.NoneType) else isinstance(value, kind)
