"""Label trees from paths of names, edges, CSV and JSON files.

Folders, tables and nested names are written with the top level first. They are turned around where they are read, into
a `NamePath`; everything behind that has the leaves first.

A branch may be shorter than others. Its last class is then repeated, under its own name, down to the leaf level, so
that all leaves have the same depth: `plants` next to `animals/dog/beagle` has the path plants, plants, plants.
"""

import csv
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from treehead.hierarchy.tree import LabelTree, first_duplicate
from treehead.inputs import cut, parsed_json, printable, read_text, shown, shown_path
from treehead.types import Array, UserError, UserErrors

NamePath: TypeAlias = tuple[str, ...]
"""Class names from the deepest known level up to the top level: ("beagle", "dog", "animals")."""

MOST_LEAVES, MOST_LEVELS = 100_000, 64
"""Of a tree that is read from a file."""
UNKNOWN = -1
"""The label of an image at a level where its class is not known."""


def level_names(depth: int) -> tuple[str, ...]:
    """Default names of the levels, leaves first: class, group, group2, group3 ..."""
    return ("class", "group", *(f"group{number}" for number in range(2, depth)))[:depth]


def slashed(path: NamePath) -> str:
    """A path as messages write it, top level first: animals/dog/beagle."""
    return cut("/".join(reversed(path)))


def tree_and_labels(
    name: str, paths: Sequence[NamePath], levels: Sequence[str] | None = None
) -> tuple[LabelTree, Array]:
    """Build the tree of all paths, and the label of each path at every level.

        ("beagle", "dog", "animals")   a leaf
        ("dog", "animals")             known down to dog; UNKNOWN at the leaf level, since dog has classes below it
        ("plants",)                    a leaf, since it has no classes below it; repeated down to the leaf level

    Args:
        name: What the tree is called.
        paths: N paths of class names, deepest known level first.
        levels: The name of each level, leaves first; without them see `level_names`.

    Returns:
        The tree, and (N, L) int64 labels, leaves first, `UNKNOWN` (-1) where a label is not known.

    Raises:
        UserError: No path, an empty name, another number of levels, or a name at two places of one level.
    """
    if not paths:
        raise UserError(f"tree {shown(name)} has no leaves")
    distinct = list(dict.fromkeys(paths))
    depth = max(map(len, distinct))
    if depth > MOST_LEVELS:
        raise UserError(f"tree {shown(name)} has {depth:,} levels, more than {MOST_LEVELS}")
    inner = {path[start:] for path in distinct for start in range(1, len(path))}
    levels = tuple(levels or level_names(depth))
    if len(levels) != depth:
        raise UserError(f"tree {shown(name)} needs {depth} level names, got {len(levels)}: {', '.join(levels)}")
    leaves = [path for path in distinct if path not in inner]
    _check_names(name, leaves, depth)
    tree = LabelTree.from_paths(name, levels, [_repeated_down(leaf, depth) for leaf in leaves])
    ids = [{class_name: number for number, class_name in enumerate(names)} for names in tree.names]
    label_of: dict[NamePath, list[int]] = {}
    for path in distinct:
        known = path if path in inner else _repeated_down(path, depth)
        below = depth - len(known)
        label_of[path] = [UNKNOWN] * below + [ids[below + i][class_name] for i, class_name in enumerate(known)]
    return tree, np.array([label_of[path] for path in paths], np.int64)


def _repeated_down(path: NamePath, depth: int) -> NamePath:
    """`path` with its deepest name repeated until it has `depth` names."""
    return path[:1] * (depth - len(path)) + path


def _check_names(name: str, leaves: list[NamePath], depth: int) -> None:
    """Raises: UserErrors: empty names, and names that stand for two classes of one level."""
    paths_of: list[dict[str, NamePath]] = [{} for _ in range(depth)]
    problems: dict[str, None] = {}
    for leaf in leaves:
        if not leaf or "" in leaf:
            problems[f"tree {shown(name)} has a class with an empty name: {shown(slashed(leaf))}"] = None
            continue
        missing = depth - len(leaf)
        for level, class_name in enumerate(_repeated_down(leaf, depth)):
            path = leaf[max(level - missing, 0) :]
            first = paths_of[level].setdefault(class_name, path)
            if first != path:
                problem = (
                    f"{shown(class_name)} is at two places of tree {shown(name)}: {slashed(first)} and "
                    f"{slashed(path)}; a class has one parent, so rename one of them"
                )
                problems[problem] = None
    if problems:
        raise UserErrors(list(problems))


def tree_from_edges(name: str, edges: Iterable[tuple[str, str]], levels: Sequence[str] | None = None) -> LabelTree:
    """Build a tree from (parent, child) pairs, in any order.

    Args:
        name: What the tree is called.
        edges: Pairs of names. A single name above all others is the root and not a class of its own; several names
            without a parent are the top level.
        levels: The name of each level, leaves first; without them see `level_names`.

    Raises:
        UserError: A cycle, a name with two parents, a duplicate edge, and as `tree_and_labels`.
    """
    parent_of: dict[str, str] = {}
    for parent, child in edges:
        if child in parent_of:
            raise UserError(
                f"tree {shown(name)}: {shown(child)} is the child of {shown(parent_of[child])} and again of "
                f"{shown(parent)}; a class has one parent, named once"
            )
        parent_of[child] = parent
    tops = {parent for parent in parent_of.values() if parent not in parent_of}
    paths = [_path_of(name, child, parent_of) for child in parent_of]
    if len(tops) == 1:
        paths = [path[:-1] for path in paths]
    inner = {path[1:] for path in paths}
    return tree_and_labels(name, [path for path in paths if path not in inner], levels)[0]


def _path_of(name: str, child: str, parent_of: dict[str, str]) -> NamePath:
    path = [child]
    while path[-1] in parent_of:
        path.append(parent_of[path[-1]])
        if path[-1] in path[:-1]:
            cycle = cut(" < ".join(path[path.index(path[-1]) :]))
            raise UserError(f"tree {shown(name)} has a cycle: {cycle}; a class cannot be below itself")
    return tuple(path)


def tree_from_json(path: Path) -> LabelTree:
    """Read a tree from a JSON file.

    Args:
        path: The file: what `LabelTree.to_json` returns, or nested names, lists of leaves innermost. Nested names make
            a tree that is named after the file.

    Raises:
        UserError: The file cannot be read, is not valid JSON, or is not a tree.
    """
    try:
        value = parsed_json(_text(path))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{shown_path(path)} is not valid JSON: {cut(printable(str(error)))}") from None
    if isinstance(value, dict) and {"levels", "parents"} <= value.keys():
        return LabelTree.from_json(value)
    paths = list(islice(_nested_paths(value, ()), MOST_LEAVES + 1))
    if len(paths) > MOST_LEAVES:
        raise UserError(f"{shown_path(path)} has more than {MOST_LEAVES:,} leaves")
    return _tree_of_leaves(path, paths, None)


def tree_from_csv(path: Path) -> LabelTree:
    """Read a tree from a CSV file; the tree is named after the file.

    Args:
        path: The file: a column per level, from the top level to the leaves, and a row per leaf. The header names the
            levels. The last cells of a row may be empty: the branch is shorter there.

    Raises:
        UserError: The file cannot be read, has no rows, a row with a gap, or a duplicate leaf.
    """
    try:
        rows = list(csv.reader(_text(path).splitlines()))
    except csv.Error as error:
        raise UserError(f"{shown_path(path)} is not valid CSV: {cut(printable(str(error)))}") from None
    if len(rows) < 2:
        raise UserError(f"{path} does not contain a tree: it needs a header that names the levels, and a row per leaf")
    columns = len(rows[0])
    paths = [name_path(row[:columns][::-1], f"{path}, line {i}") for i, row in enumerate(rows[1:], 2) if any(row)]
    depth = max(map(len, paths), default=0)
    return _tree_of_leaves(path, paths, rows[0][:depth][::-1])


def name_path(cells: Sequence[str], where: str) -> NamePath:
    """The path that the cells of a table's row name, leaves first; the first cells may be empty.

    Raises: UserError: a cell is empty after one that is not; `where` names the row.
    """
    names = tuple(cell.strip() for cell in cells)
    path = names[next((i for i, name in enumerate(names) if name), len(names)) :]
    if "" in path:
        raise UserError(f"{where}: a level is empty although a level below it is not; fill it in")
    return path


def _nested_paths(value: object, above: NamePath) -> Iterable[NamePath]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _nested_paths(below, (str(key), *above))
    elif isinstance(value, list) and value:
        for leaf in value:
            if not isinstance(leaf, str):
                raise UserError(f"expected the name of a leaf, got {shown(leaf)}")
            yield (leaf, *above)
    elif above and value in (None, {}, []):
        yield above
    else:
        raise UserError(f"{shown(value)} is not a tree: expected nested names with lists of leaves innermost")


def _tree_of_leaves(file: Path, paths: list[NamePath], levels: Sequence[str] | None) -> LabelTree:
    duplicate = first_duplicate(paths)
    if duplicate is not None:
        raise UserError(f"{file} contains {slashed(duplicate)} twice")
    return tree_and_labels(file.stem, paths, levels or None)[0]


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise UserError(f"cannot read {shown_path(path)}: {error.strerror or error}") from None
