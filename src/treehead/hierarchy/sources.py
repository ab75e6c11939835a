"""Label trees from what people have: paths of names, edges, CSV and JSON files.

A branch may end early. Its last class is then carried down to the leaf level under its own name, so that all leaves
lie equally deep: `plants` beside `animals/dog/beagle` is the path plants, plants, plants.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

NamePath: TypeAlias = tuple[str, ...]
"""Names from the top level down, as far as they are known."""

UNKNOWN = -1
"""The label of an image at a level below the last one that is known of it."""


def level_names(depth: int) -> tuple[str, ...]:
    """What levels are called, leaves first, where nobody named them: class, group, group2, group3 ..."""
    return ("class", "group", *(f"group{number}" for number in range(2, depth)))[:depth]


def tree_of_paths(name: str, paths: Sequence[NamePath], levels: Sequence[str] | None = None) -> LabelTree:
    """The tree of all `paths`; see `tree_and_labels`."""
    return tree_and_labels(name, paths, levels)[0]


def tree_and_labels(
    name: str, paths: Sequence[NamePath], levels: Sequence[str] | None = None
) -> tuple[LabelTree, Array]:
    """The tree of all `paths`, and the label of each path at every level.

        animals/dog/beagle   a leaf
        animals/dog          known down to dog; at the leaf level UNKNOWN, since dogs have breeds here
        plants               a leaf too, since nothing lies below it: carried down

    Shapes: paths: N, top level first; levels: L names, leaves first; returns labels (N, L) int64, leaves first.
    Raises: UserError: no path, an empty name, another number of levels, a name in two places of one level.
    """
    if not paths:
        raise UserError(f"tree {name!r} has no leaves")
    known = list(dict.fromkeys(paths))
    inner = {path[:end] for path in known for end in range(1, len(path))}
    depth = max(map(len, known))
    levels = tuple(levels or level_names(depth))
    if len(levels) != depth:
        raise UserError(f"tree {name!r} has depth {depth}, but {len(levels)} names for its levels: {', '.join(levels)}")
    leaves = [path for path in known if path not in inner]
    _refuse_two_places(name, leaves, depth)
    tree = LabelTree.from_paths(name, levels, [carried_down(leaf, depth)[::-1] for leaf in leaves])
    ids = [{name: number for number, name in enumerate(names)} for names in reversed(tree.names)]
    label_of = {
        path: [
            ids[level][path[min(level, len(path) - 1)]] if level < len(path) or path not in inner else UNKNOWN
            for level in reversed(range(depth))
        ]
        for path in known
    }
    return tree, np.array([label_of[path] for path in paths], np.int64)


def carried_down(path: NamePath, depth: int) -> NamePath:
    """`path` with its last name repeated until it is `depth` long."""
    return path + path[-1:] * (depth - len(path))


def _refuse_two_places(name: str, leaves: list[NamePath], depth: int) -> None:
    """A name stands for one class of its level: children of two parents cannot share it."""
    places: list[dict[str, NamePath]] = [{} for _ in range(depth)]
    for leaf in leaves:
        if "" in leaf:
            raise UserError(f"tree {name!r} has a class without a name: {'/'.join(leaf)!r}")
        for level, class_name in enumerate(carried_down(leaf, depth)):
            here = leaf[: level + 1]
            first = places[level].setdefault(class_name, here)
            if first != here:
                raise UserError(
                    f"{class_name!r} stands in two places of tree {name!r}: {'/'.join(first)} and {'/'.join(here)}; "
                    "a class has one parent, so give one of them another name"
                )


def tree_from_edges(name: str, edges: Iterable[tuple[str, str]], levels: Sequence[str] | None = None) -> LabelTree:
    """Build from (parent, child) pairs, in any order; `levels` run from the leaves up.

    Conventions: a single name above all others is the tree's root and no class of its own; several names without a
        parent are the top level.
    Raises: UserError: a cycle, a name with two parents, the same edge twice, and as `tree_and_labels`.
    """
    parent_of: dict[str, str] = {}
    for parent, child in edges:
        if child in parent_of:
            again = "twice" if parent_of[child] == parent else f"and {parent_of[child]!r} before"
            raise UserError(f"tree {name!r}: {child!r} has the parent {parent!r} {again}; a class has one parent")
        parent_of[child] = parent
    tops = list(dict.fromkeys(parent for parent in parent_of.values() if parent not in parent_of))
    paths = [_path_to(name, child, parent_of) for child in parent_of]
    if len(tops) == 1:
        paths = [path[1:] for path in paths]
    inner = {path[:-1] for path in paths}
    return tree_of_paths(name, [path for path in paths if path not in inner], levels)


def _path_to(name: str, child: str, parent_of: dict[str, str]) -> NamePath:
    path = [child]
    while path[-1] in parent_of:
        path.append(parent_of[path[-1]])
        if path[-1] in path[:-1]:
            round_trip = " < ".join(path[path.index(path[-1]) :])
            raise UserError(f"tree {name!r} has a cycle: {round_trip}; a class cannot lie below itself")
    return tuple(reversed(path))


def tree_from_json(path: Path) -> LabelTree:
    """Read a tree as `LabelTree.to_json` writes it, or names within names; its name is the file's.

    Raises: UserError: no such file, no JSON, no tree.
    """
    try:
        value = json.loads(_text(path))
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if isinstance(value, dict) and {"levels", "parents"} <= value.keys():
        return LabelTree.from_json(value)
    paths = list(_nested_paths(value, ()))
    return tree_of_paths(path.stem, _refuse_repeated(path, paths))


def tree_from_csv(path: Path) -> LabelTree:
    """Read a table with a column per level, from the top level to the leaves, and a row per leaf.

    Conventions: the header names the levels; a row whose last cells are empty ends early.
    Raises: UserError: no such file, no header, a gap in a row, a leaf twice.
    """
    rows = list(csv.reader(_text(path).splitlines()))
    if len(rows) < 2:
        raise UserError(f"{path} holds no tree: it needs a header that names the levels, and a row per leaf")
    header = tuple(rows[0])
    paths = [name_path(row[: len(header)], f"{path}, line {line}") for line, row in enumerate(rows[1:], 2) if any(row)]
    depth = max(map(len, paths), default=0)
    return tree_of_paths(path.stem, _refuse_repeated(path, paths), header[:depth][::-1] or None)


def name_path(cells: Sequence[str], where: str) -> NamePath:
    """The cells of a row, top level first, up to the first empty one.

    Raises: UserError: a cell stands after an empty one; `where` says in which row.
    """
    names = tuple(cell.strip() for cell in cells)
    end = names.index("") if "" in names else len(names)
    if any(names[end:]):
        raise UserError(f"{where}: a level is empty, and one below it is not; labels are known from the top down")
    return names[:end]


def _nested_paths(value: object, above: NamePath) -> Iterable[NamePath]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _nested_paths(below, (*above, str(key)))
    elif isinstance(value, list) and value:
        for leaf in value:
            if not isinstance(leaf, str):
                raise UserError(f"{leaf!r} stands where a leaf's name should")
            yield (*above, leaf)
    elif above and value in (None, {}, []):
        yield above
    else:
        raise UserError(f"{value!r} is no tree: names within names, and lists of leaves innermost")


def _refuse_repeated(path: Path, paths: list[NamePath]) -> list[NamePath]:
    for place, count in Counter(paths).items():
        if count > 1:
            raise UserError(f"{path} names {'/'.join(place)} twice")
    return paths


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text; save it as UTF-8") from None
