"""A list of custom images before any is read: the path, label and part of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from treehead.hierarchy.sources import NamePath, tree_and_labels
from treehead.hierarchy.tree import LabelTree
from treehead.inputs import shown
from treehead.types import Array, UserError, UserErrors

Part: TypeAlias = Literal["train", "validation", "test"]

PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders and values of the column `split` that name a part, in lower case."""

CONTROL_CHARACTERS = frozenset(map(chr, (*range(32), *range(127, 160))))
"""Not allowed in class names: they would break tables and pages."""


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image file, its label as far as it is known, and its part if one is given."""

    path: Path
    label: NamePath
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All images of a folder or a manifest.

    levels: names of the levels, leaves first; None: default names. warnings: a sentence for everything that was skipped
    or is probably a mistake. taken: what was taken for the levels, and how to choose otherwise.
    """

    name: str
    root: Path
    levels: tuple[str, ...] | None
    entries: tuple[ImageEntry, ...]
    warnings: tuple[str, ...] = ()
    taken: str = ""

    def tree_and_labels(self) -> tuple[LabelTree, Array]:
        """The tree of the labels, and the (N, L) labels of the entries, -1 where not known.

        Raises: UserError: the labels are not a tree, have fewer than two classes, or a name that cannot be used.
        """
        try:
            tree, labels = tree_and_labels(self.name, [entry.label for entry in self.entries], self.levels)
        except UserErrors as error:
            raise UserErrors([f"{problem}{self.taken}" for problem in error.problems]) from None
        for class_name in (name for names in tree.names for name in names):
            if CONTROL_CHARACTERS & set(class_name):
                raise UserError(
                    f"{self.root}: the class name {shown(class_name)} has a control character; rename the class"
                )
        if tree.num_leaves < 2:
            raise UserError(f"{self.root} has only one class, {tree.names[0][0]!r}; a classifier needs at least two")
        return tree, labels
