"""One's own images before any is decoded: where each lies, what it shows, and the part it is kept for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from treehead.hierarchy.sources import NamePath, tree_and_labels
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

Part: TypeAlias = Literal["train", "validation", "test"]

PART_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""What folders and the column `split` may call the parts, in lower case."""

CONTROLS = frozenset(map(chr, (*range(32), *range(127, 160))))
"""No name of a class holds one: it would break every table and page that it stands in."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An image file, its label from the top level down as far as known, and its part if it was given one."""

    path: Path
    label: NamePath
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All images of a folder or a manifest. `levels` are leaves first; None leaves their naming to the tree.

    `remarks` say, a sentence each, what was passed over or looks odd.
    """

    name: str
    root: Path
    levels: tuple[str, ...] | None
    files: tuple[Listed, ...]
    remarks: tuple[str, ...] = ()

    def tree_and_labels(self) -> tuple[LabelTree, Array]:
        """The tree of the labels, and the (N, L) label of every file, -1 where not known.

        Raises: UserError: the labels make no tree, or there is nothing to tell apart.
        """
        tree, labels = tree_and_labels(self.name, [file.label for file in self.files], self.levels)
        odd = next((name for level in tree.names for name in level if set(name) & CONTROLS), None)
        if odd is not None:
            raise UserError(f"{self.root} names a class {odd!r}; rename it without its control character")
        for level in tree.levels:
            if not level or set(level) & set("./\\\0"):
                raise UserError(f"a level cannot be called {level!r}: a dot or a slash in it would break file names")
        if tree.num_leaves < 2:
            raise UserError(f"{self.root} has one class only, {tree.names[0][0]!r}; there is nothing to tell apart")
        return tree, labels
