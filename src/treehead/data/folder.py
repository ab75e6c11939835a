"""Custom images in nested folders whose names are the labels: photos/animals/dog/beagle/*.jpg."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from treehead.data.image_file import is_image_name
from treehead.data.listing import PART_NAMES, ImageEntry, Listing, Part
from treehead.hierarchy.tree import LabelTree
from treehead.inputs import cut
from treehead.types import UserError

SYSTEM_FOLDERS = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__"}
)
"""Folders that operating systems create. They are skipped, as are folders whose name begins with a dot."""


@dataclass(slots=True)
class _Walk:
    """What a walk through the folders collects."""

    entries: list[ImageEntry] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    skipped_folders: set[str] = field(default_factory=set)
    skipped_files: int = 0
    unlabelled: int = 0


def list_folder(root: Path, levels: tuple[str, ...] | None = None) -> Listing:
    """List every image below `root`, sorted by name; its label is the path of its folder.

    Conventions: if every folder of `root` has the name of a part (train, val, test, ...), the classes are the folders
        in them. Links are followed. Hidden and system folders are skipped. This is where the order of folders, top
        level first, becomes that of a `NamePath`, leaves first.
    Raises: UserError: no such folder, no image, a class without images, a cycle of links, a name that is not text.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}")
    folders = [path for path in _children(root) if path.is_dir() and not _is_skipped(path.name)]
    parts: dict[Path, Part | None] = {path: PART_NAMES.get(path.name.lower()) for path in folders}
    walk, warnings = _Walk(), []
    if folders and all(parts.values()) and "train" in parts.values():
        for path in folders:
            _collect(path, path, parts[path], (os.path.realpath(root),), walk)
    else:
        _collect(root, root, None, (), walk)
        ambiguous = ", ".join(path.name for path, part in parts.items() if part)
        others = cut(", ".join(path.name for path, part in parts.items() if not part), 60)
        if ambiguous:
            warnings.append(
                f"{ambiguous}: read as a class, not as a part of the split, because of the other folders: {others}"
            )
    _check_walk(root, walk)
    name = root.resolve().name or "images"
    taken = f" ({warnings[0]})" if warnings else ""
    return Listing(name, root, levels, tuple(walk.entries), (*warnings, *_skipped(walk)), taken)


def folder_tree(root: Path, levels: tuple[str, ...] | None = None) -> LabelTree:
    """Build the label tree of nested folders without reading an image.

    Args:
        root: The folder whose folders are the top level.
        levels: The name of each level, leaves first; without them class, group, group2 ...

    Raises:
        UserError: There are no images, a class has none, or the folders do not form a tree.
    """
    return list_folder(root, levels).tree_and_labels()[0]


def _collect(folder: Path, top: Path, part: Part | None, parents: tuple[str, ...], walk: _Walk) -> bool:
    """Add the images below `folder` to `walk`; `parents` are the real paths of the folders above.

    Returns: whether the folder contains images.
    """
    real_path = os.path.realpath(folder)
    if real_path in parents:
        raise UserError(f"{folder} is a link to {real_path}, which contains it; remove the link")
    label = folder.relative_to(top).parts[::-1]
    has_images = False
    for path in _children(folder):
        if path.is_dir():
            if _is_skipped(path.name):
                walk.skipped_folders.add(path.name)
                continue
            if not _collect(path, top, part, (*parents, real_path), walk):
                walk.empty.append(path)
            has_images = True  # an empty folder is reported itself, not the folders above it
        elif not is_image_name(path.name):
            walk.skipped_files += 1
        elif label:
            walk.entries.append(ImageEntry(path, label, part))
            has_images = True
        else:
            walk.unlabelled += 1
    return has_images


def _children(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror}") from None
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(f"{folder}: the name {os.fsencode(name)!r} is not UTF-8 text; rename it") from None
        yield folder / name


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def _check_walk(root: Path, walk: _Walk) -> None:
    if walk.empty:
        others = f" and {len(walk.empty) - 1} more" if len(walk.empty) > 1 else ""
        raise UserError(f"{walk.empty[0]}{others} contains no image; add images or remove the folder")
    if not walk.entries:
        missing = "no folders with images" if walk.unlabelled else "no images"
        raise UserError(f"{root} contains {missing}; put the images into folders named after their class")


def _skipped(walk: _Walk) -> Iterator[str]:
    if walk.skipped_folders:
        yield f"skipped hidden and system folders: {', '.join(sorted(walk.skipped_folders))}"
    if walk.skipped_files:
        yield f"skipped {_count(walk.skipped_files, 'file')} without the suffix of an image"
    if walk.unlabelled:
        yield f"skipped {_count(walk.unlabelled, 'image')} outside the class folders"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
