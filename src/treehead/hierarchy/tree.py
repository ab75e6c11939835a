"""The label tree: the classes of every level, and the parent of every class.

Axes: L levels from the leaves up, K leaves.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import numpy as np

from treehead.inputs import MOST_NAME, is_file_name, shown
from treehead.types import Array, UserError

Nested: TypeAlias = "Mapping[str, Nested] | list[str]"
"""Nested names, the top level outermost, lists of leaves innermost: {"pet": ["cat", "dog"]}."""

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class LabelTree:
    """A label tree whose leaves all have the same depth, below a root without a name.

    Everything with an entry per level starts with the leaves. The arrays derived from the tree are computed once, at
    first use, and are read-only.

    Attributes:
        name: What the tree is called in metrics and reports.
        levels: The name of each level.
        names: `names[l][i]` is the name of class i at level l.
        parents: `parents[l][i]` is the id, at level l + 1, of the parent of class i at level l.

    Raises:
        UserError: A duplicate name, an id out of range, a class without children, or a wrong number of levels.
    """

    name: str
    levels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    parents: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.levels or len(self.names) != len(self.levels) or len(self.parents) != len(self.levels) - 1:
            raise UserError(
                f"tree {shown(self.name)} has {len(self.levels)} levels, names for {len(self.names)} and parents for "
                f"{len(self.parents)}; every level needs a list of names, every level but the last a list of parents"
            )
        _refuse_duplicates(self.levels, f"tree {shown(self.name)} has two levels of the same name")
        self._check_names()
        for level, names in zip(self.levels, self.names, strict=True):
            _refuse_duplicates(
                names, f"level {shown(level)} of tree {shown(self.name)} has two classes of the same name"
            )
        if not self.names[0]:
            raise UserError(f"tree {shown(self.name)} has no leaves")
        for level, parents in enumerate(self.parents):
            self._check_parents(level, parents)

    def _check_names(self) -> None:
        """Levels are parts of the names of files and of weights; every name is written as UTF-8."""
        for level in self.levels:
            if "." in level or not is_file_name(level):
                raise UserError(
                    f"the level name {shown(level)} is empty or has a dot or a slash, a control character, or more "
                    f"than {MOST_NAME} characters; rename the level"
                )
        for name in (self.name, *(name for names in self.names for name in names)):
            if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
                raise UserError(f"tree {shown(self.name)}: the name {shown(name)} is not valid text; rename it")

    def _check_parents(self, level: int, parents: tuple[int, ...]) -> None:
        children, above = self.names[level], self.names[level + 1]
        if len(parents) != len(children):
            raise UserError(f"level {self.levels[level]!r} has {len(children)} classes but {len(parents)} parents")
        for name, parent in zip(children, parents, strict=True):
            if not 0 <= parent < len(above):
                raise UserError(
                    f"{shown(name)} has parent {shown(parent)}, but level {self.levels[level + 1]!r} has ids 0 to "
                    f"{len(above) - 1}"
                )
        childless = sorted(set(range(len(above))) - set(parents))
        if childless:
            raise UserError(f"{shown(above[childless[0]])} of level {self.levels[level + 1]!r} has no children")

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what is derived from them is computed again after unpickling."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each level."""
        return tuple(len(names) for names in self.names)

    @property
    def num_leaves(self) -> int:
        """Number of leaves, K."""
        return len(self.names[0])

    @cached_property
    def ancestors(self) -> Array:
        """(L, K) int64: the class id of each leaf at each level; row 0 is 0, 1, ... K - 1."""
        ids = [np.arange(self.num_leaves)]
        for parents in self.parents:
            ids.append(np.array(parents, np.int64)[ids[-1]])
        return _read_only(np.stack(ids))

    @cached_property
    def heights(self) -> Array:
        """(K, K) int64: height of the lowest common ancestor: 0 on the diagonal, 1 for siblings, L for the root."""
        heights = np.zeros((self.num_leaves, self.num_leaves), np.int64)
        for ids in self.ancestors:
            heights += ids[:, None] != ids
        return _read_only(heights)

    @property
    def leaf_order(self) -> Array:
        """(K,) int64: the leaves in an order in which siblings are adjacent at every level."""
        return np.lexsort(self.ancestors)  # sorts by the last key first, that is by the top level

    @cached_property
    def digest(self) -> str:
        """A digest of levels, names and parents: two trees with the same one give every class id the same meaning."""
        value = [self.levels, self.names, self.parents]
        return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]

    def label_paths(self, leaves: Array) -> Array:
        """The class ids of leaves at every level.

        Args:
            leaves: (N,) leaf ids.

        Returns:
            (N, L) class ids.
        """
        return self.ancestors[:, leaves].T

    def path_names(self, leaf: int) -> tuple[str, ...]:
        """The names of a leaf and of all its ancestors, leaf first."""
        return tuple(names[i] for names, i in zip(self.names, self.ancestors[:, leaf], strict=True))

    def to_json(self) -> dict[str, Any]:
        """The four fields as plain lists."""
        return {
            "name": self.name,
            "levels": list(self.levels),
            "names": [list(names) for names in self.names],
            "parents": [list(parents) for parents in self.parents],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LabelTree":
        """Build the tree that `to_json` wrote.

        Args:
            value: The four fields.

        Raises:
            UserError: A field is missing, or the fields are not a valid tree.
        """
        try:
            names = tuple(tuple(map(str, level)) for level in value["names"])
            parents = tuple(tuple(map(int, level)) for level in value["parents"])
            name, levels = str(value["name"]), tuple(map(str, value["levels"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"not a label tree as JSON: {shown(error)}") from None
        return cls(name, levels, names, parents)

    @classmethod
    def from_paths(cls, name: str, levels: Iterable[str], paths: Iterable[tuple[str, ...]]) -> "LabelTree":
        """Build a tree from the path of each leaf. Ids follow the order in which names first appear.

        Args:
            name: What the tree is called.
            levels: The name of each level, leaves first.
            paths: For each leaf its name and those of its ancestors, leaf first, a name per level.

        Raises:
            UserError: A duplicate leaf, a class with two parents, or a path that has not one name per level.
        """
        levels, paths = tuple(levels), list(paths)
        for path in paths:
            if len(path) != len(levels):
                raise UserError(f"{shown(path)} has {len(path)} names, but tree {name!r} has {len(levels)} levels")
        _refuse_duplicates((path[0] for path in paths), f"tree {name!r} has two leaves of the same name")
        names = list(zip(*paths, strict=True)) or [()] * len(levels)
        ids = [{name: i for i, name in enumerate(dict.fromkeys(level))} for level in names]
        parents = []
        for level, (below, above) in enumerate(pairwise(names)):
            parent_of: dict[str, str] = {}
            for child, parent in zip(below, above, strict=True):
                if parent_of.setdefault(child, parent) != parent:
                    raise UserError(f"{shown(child)} has two parents: {shown(parent_of[child])} and {shown(parent)}")
            parents.append(tuple(ids[level + 1][parent_of[child]] for child in ids[level]))
        return cls(name, levels, tuple(map(tuple, ids)), tuple(parents))

    @classmethod
    def from_nested(cls, name: str, levels: Iterable[str], nested: Nested) -> "LabelTree":
        """Build a tree from nested names. Ids follow the order in which names first appear.

            LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})

        A leaf that is less deep than others is repeated, under its own name, at the levels below it.

        Args:
            name: What the tree is called.
            levels: The name of each level, leaves first.
            nested: Names that contain names, the top level outermost, lists of leaves innermost.

        Raises:
            UserError: A class without children, and as `from_paths`.
        """
        levels = tuple(levels)
        paths = (path[:1] * (len(levels) - len(path)) + path for path in _nested_paths(nested))
        return cls.from_paths(name, levels, paths)


def first_duplicate(items: Iterable[Item]) -> Item | None:
    """The first of the `items` that occurs more than once, None if there is none."""
    return next((item for item, count in Counter(items).items() if count > 1), None)


def _nested_paths(nested: Nested) -> Iterator[tuple[str, ...]]:
    if isinstance(nested, str):
        raise UserError(f"expected a list of leaf names, got the name {nested!r}")
    if not isinstance(nested, Mapping):
        yield from ((leaf,) for leaf in nested)
        return
    for parent, below in nested.items():
        if not below:
            raise UserError(f"{parent!r} has no children")
        yield from ((*path, parent) for path in _nested_paths(below))


def _refuse_duplicates(names: Iterable[str], message: str) -> None:
    duplicate = first_duplicate(names)
    if duplicate is not None:
        raise UserError(f"{message}: {shown(duplicate)}")


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array
