"""A folder of folders that nest as the label tree does: photos/animals/dog/beagle/*.jpg."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from treehead.data.listing import PART_WORDS, Listed, Listing, Part
from treehead.data.pictures import is_picture_name
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

NO_CLASSES = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__"})
"""Folders that systems leave behind; they are passed over, as are those whose name begins with a dot."""


@dataclass(slots=True)
class _Found:
    """What a walk brings home."""

    files: list[Listed] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    skipped_folders: list[str] = field(default_factory=list)
    skipped_files: int = 0
    unlabelled: int = 0


def list_folder(root: Path, levels: tuple[str, ...] | None = None) -> Listing:
    """Every image below `root`, labelled by the folders that it lies in; in the order of their names.

    Conventions: where the folders of `root` are train, validation and test (or val, valid, training, testing), they are
        parts, and the classes lie below them. Links are followed. Hidden and system folders are no classes.
    Raises: UserError: no such folder, no image, an empty class, links that lead round, a name that is no text.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}")
    folders = [path for path in _entries(root) if path.is_dir() and not _is_no_class(path.name)]
    parts: dict[str, Part | None] = {path.name: PART_WORDS.get(path.name.lower()) for path in folders}
    found, remarks = _Found(), []
    if folders and all(parts.values()) and "train" in parts.values():
        for path in folders:
            _walk(path, path, parts[path.name], (os.path.realpath(root),), found)
    else:
        _walk(root, root, None, (), found)
        odd = [name for name, part in parts.items() if part]
        if odd:
            remarks.append(f"{', '.join(odd)} beside other folders is taken for a class, not for a part of the split")
    name = root.resolve().name or "images"
    if found.empty:
        others = f" and {len(found.empty) - 1} more" if len(found.empty) > 1 else ""
        raise UserError(f"{found.empty[0]}{others} holds no image; add some, or remove the folder")
    if not found.files:
        where = "no folder in it that names a class" if found.unlabelled else "no image"
        raise UserError(f"{root} holds {where}; images belong into folders named like their class")
    return Listing(name, root, levels, tuple(found.files), (*remarks, *_remarks(found)))


def folder_tree(root: Path, levels: tuple[str, ...] | None = None) -> LabelTree:
    """The label tree of a folder of folders, no image decoded. Raises: UserError: as `list_folder`."""
    return list_folder(root, levels).tree_and_labels()[0]


def _walk(folder: Path, top: Path, part: Part | None, above: tuple[str, ...], found: _Found) -> bool:
    """Collect what lies below `folder`; whether there was an image. `above` are the real paths walked through."""
    real = os.path.realpath(folder)
    if real in above:
        raise UserError(f"{folder} leads back to {real}, which it lies in; remove that link")
    label = folder.relative_to(top).parts
    any_image = False
    for path in _entries(folder):
        if path.is_dir():
            if _is_no_class(path.name):
                found.skipped_folders.append(path.name)
                continue
            inside = _walk(path, top, part, (*above, real), found)
            if not inside:
                found.empty.append(path)
            any_image = True  # an empty folder below is reported once, for itself
        elif not is_picture_name(path.name):
            found.skipped_files += 1
        elif label:
            found.files.append(Listed(path, label, part))
            any_image = True
        else:
            found.unlabelled += 1
    return any_image


def _entries(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UserError(f"cannot look into {folder}: {error.strerror}") from None
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(f"a name in {folder} is no UTF-8 text: {os.fsencode(name)!r}; rename it") from None
        yield folder / name


def _is_no_class(name: str) -> bool:
    return name.startswith(".") or name.lower() in NO_CLASSES


def _remarks(found: _Found) -> Iterator[str]:
    if found.skipped_folders:
        yield f"passed over as no classes: {', '.join(sorted(set(found.skipped_folders)))}"
    if found.skipped_files:
        yield f"passed over {_counted(found.skipped_files, 'file')} named unlike an image"
    if found.unlabelled:
        yield f"passed over {_counted(found.unlabelled, 'image')} in no class folder"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
