"""The label tree: names of every level, and who is whose parent.

Axes: L levels from the leaves up, K leaves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from treehead.types import Array, UserError

Nested: TypeAlias = "Mapping[str, Nested] | list[str]"
"""Names within names, the top level outermost, lists of leaves innermost: {"pet": ["cat", "dog"]}."""


@dataclass(frozen=True, slots=True)
class LabelTree:
    """A tree whose leaves all lie equally deep. Above its last level stands one nameless root.

    names[l][i] is class i of level l, leaves first; parents[l][i] is its parent's id at level l + 1.

    Raises: UserError: a name twice, an id out of range, a class without children, levels that do not fit.
    """

    name: str
    levels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    parents: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.levels or len(self.names) != len(self.levels) or len(self.parents) != len(self.levels) - 1:
            raise UserError(
                f"tree {self.name!r} has {len(self.levels)} levels, names for {len(self.names)} and parents for "
                f"{len(self.parents)}; it needs one list of names a level and parents for all but the last"
            )
        _refuse_twice(self.levels, f"tree {self.name!r} names a level twice")
        for level, names in zip(self.levels, self.names, strict=True):
            _refuse_twice(names, f"level {level!r} of tree {self.name!r} names a class twice")
        if not self.names[0]:
            raise UserError(f"tree {self.name!r} has no leaves")
        for level, parents in enumerate(self.parents):
            self._check_parents(level, parents)

    def _check_parents(self, level: int, parents: tuple[int, ...]) -> None:
        here, above = self.names[level], self.names[level + 1]
        if len(parents) != len(here):
            raise UserError(f"level {self.levels[level]!r} has {len(here)} classes and {len(parents)} parents")
        for name, parent in zip(here, parents, strict=True):
            if not 0 <= parent < len(above):
                raise UserError(
                    f"{name!r} has parent {parent}, but level {self.levels[level + 1]!r} has ids 0 to {len(above) - 1}"
                )
        for childless in sorted(set(range(len(above))) - set(parents)):
            raise UserError(f"{above[childless]!r} of level {self.levels[level + 1]!r} has no children")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Classes per level, leaves first."""
        return tuple(len(names) for names in self.names)

    @property
    def num_leaves(self) -> int:
        return len(self.names[0])

    @property
    def ancestors(self) -> Array:
        """(L, K) int64: row l holds each leaf's class id at level l; row 0 counts the leaves."""
        path = [np.arange(self.num_leaves)]
        for parents in self.parents:
            path.append(np.array(parents, np.int64)[path[-1]])
        return np.stack(path)

    @property
    def heights(self) -> Array:
        """(K, K) int64: height of the lowest common ancestor, 0 on the diagonal, 1 for siblings, L at the root."""
        ancestors = self.ancestors
        return (ancestors[:, :, None] != ancestors[:, None, :]).sum(axis=0)

    @property
    def leaf_order(self) -> Array:
        """(K,) int64: the leaves in an order that keeps siblings together at every level."""
        return np.lexsort(self.ancestors)  # last key first: the top level sorts before the ones below

    def label_paths(self, leaves: Array) -> Array:
        """(N,) leaf ids -> (N, L) class ids at every level."""
        return self.ancestors[:, leaves].T

    def path_names(self, leaf: int) -> tuple[str, ...]:
        """The names from a leaf up to the last level."""
        return tuple(names[i] for names, i in zip(self.names, self.ancestors[:, leaf], strict=True))

    def up_to(self, level: str) -> "LabelTree":
        """The shallower tree that ends with `level`; its name says so, for figures on it compare with no other's.

        Raises: UserError: there is no such level.
        """
        if level not in self.levels:
            raise UserError(f"tree {self.name!r} has no level {level!r}, only {', '.join(self.levels)}")
        depth = self.levels.index(level) + 1
        if depth == len(self.levels):
            return self
        name = f"{self.name} up to {level}"
        return LabelTree(name, self.levels[:depth], self.names[:depth], self.parents[: depth - 1])

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
        """Undo `to_json`.

        Raises: UserError: a field is missing, or the fields make no tree.
        """
        try:
            names = tuple(tuple(map(str, level)) for level in value["names"])
            parents = tuple(tuple(map(int, level)) for level in value["parents"])
            name, levels = str(value["name"]), tuple(map(str, value["levels"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"this is no label tree: {error!r}") from None
        return cls(name, levels, names, parents)

    @classmethod
    def from_paths(cls, name: str, levels: Iterable[str], paths: Iterable[tuple[str, ...]]) -> "LabelTree":
        """Build from one path of names per leaf, leaf first; ids count names in order of appearance.

        Raises: UserError: a leaf twice, a class with two parents, a path of another length than `levels`.
        """
        levels, paths = tuple(levels), list(paths)
        for path in paths:
            if len(path) != len(levels):
                raise UserError(f"{path[0]!r} lies {len(path)} levels deep, tree {name!r} has {len(levels)}")
        _refuse_twice((path[0] for path in paths), f"tree {name!r} names a leaf twice")
        floors = list(zip(*paths, strict=True)) or [()] * len(levels)
        ids = [{name: i for i, name in enumerate(dict.fromkeys(floor))} for floor in floors]
        parents = []
        for level, (below, above) in enumerate(pairwise(floors)):
            parent_of: dict[str, str] = {}
            for child, parent in zip(below, above, strict=True):
                if parent_of.setdefault(child, parent) != parent:
                    raise UserError(f"{child!r} has two parents: {parent_of[child]!r} and {parent!r}")
            parents.append(tuple(ids[level + 1][parent_of[child]] for child in ids[level]))
        return cls(name, levels, tuple(map(tuple, ids)), tuple(parents))

    @classmethod
    def from_nested(cls, name: str, levels: Iterable[str], nested: Nested) -> "LabelTree":
        """Build from names within names; `levels` run from the leaves up, ids count names in order of appearance.

            LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})

        Conventions: a leaf that lies less deep than others stands, under its own name, at the levels below it too.
        Raises: UserError: a class without children, and as `from_paths`.
        """
        levels = tuple(levels)
        paths = (path[:1] * (len(levels) - len(path)) + path for path in _paths(nested))
        return cls.from_paths(name, levels, paths)


def _paths(nested: Nested) -> Iterator[tuple[str, ...]]:
    if isinstance(nested, str):
        raise UserError(f"{nested!r} stands where a list of leaves should")
    if not isinstance(nested, Mapping):
        yield from ((leaf,) for leaf in nested)
        return
    for parent, below in nested.items():
        if not below:
            raise UserError(f"{parent!r} has no children")
        yield from ((*path, parent) for path in _paths(below))


def _refuse_twice(names: Iterable[str], message: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{message}: {name!r}")
