"""What a checkpoint belongs to, checked before a run goes on from it."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from treehead.config import first_difference
from treehead.records.run import EpochRecord
from treehead.runfiles import RunFolder
from treehead.training.checkpoint import Checkpoint
from treehead.types import UserError

CONFIG, TREE, IMAGES, HISTORY = "config", "tree", "images", "history"
"""Entries of a checkpoint's header: the deciding config as JSON, and digests of the other three."""


TIMES = ("seconds", "images_per_second")
"""What differs between two trainings that are equal otherwise."""


def history_digest(records: Sequence[EpochRecord]) -> str:
    """A digest of epoch records, without their times."""
    lasting = [
        {key: value for key, value in record.items() if key not in TIMES} if isinstance(record, dict) else record
        for record in records
    ]
    return hashlib.blake2b(json.dumps(lasting).encode(), digest_size=16).hexdigest()


def check_resumable(
    checkpoint: Checkpoint, belongs_to: Mapping[str, str], folder: RunFolder, *, num_epochs: int
) -> list[EpochRecord]:
    """The history up to the checkpoint, if everything that the run is resumed with is what it was begun with.

    Raises: UserError: the config, the label tree, the record of the images or the history is another; the message says
        which, and what to do.
    """
    stored = checkpoint.belongs_to
    if missing := {CONFIG, TREE, IMAGES, HISTORY} - stored.keys():
        raise UserError(f"{folder.checkpoint} does not say what it belongs to ({', '.join(sorted(missing))} missing)")
    before, now = (json.loads(value[CONFIG]) for value in (stored, belongs_to))
    if different := first_difference(before, now):
        key, trained, found = different
        raise UserError(
            f"{folder.config} has {key} = {found}, but this run was trained with {trained}; restore the value, or "
            "start a new run with treehead train"
        )
    for name, path in ((TREE, folder.tree), (IMAGES, folder.images)):
        if stored[name] != belongs_to[name]:
            raise UserError(f"{path} is not the one that this run was trained with; restore it, or start a new run")
    history = folder.read_history()[: checkpoint.epoch]
    if not 1 <= checkpoint.epoch <= num_epochs or history_digest(history) != stored[HISTORY]:
        raise UserError(
            f"{folder.history} is not the history of the {checkpoint.epoch} epochs in {folder.checkpoint.name}; "
            f"restore it, or remove both files to train from the first epoch on: treehead resume {folder.root}"
        )
    return history
