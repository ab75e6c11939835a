"""The history as TensorBoard events (optional)."""

from pathlib import Path

from treehead.records.run import EpochRecord
from treehead.training.loop import Callback, Progress


class TensorBoardCallback:
    """Forwards to another callback and writes each epoch's figures as scalars."""

    def __init__(self, folder: Path, inner: Callback) -> None:
        from tensorboard.summary import Writer

        self._writer, self._inner = Writer(str(folder)), inner

    def on_progress(self, progress: Progress) -> None:
        self._inner.on_progress(progress)

    def on_epoch_end(self, record: EpochRecord) -> None:
        epoch = record["epoch"]
        for part in ("train", "validation"):
            for what in ("losses", "accuracy"):
                for level, value in record[part][what].items():
                    self._writer.add_scalar(f"{what}/{level}/{part}", value, epoch)
        self._writer.add_scalar("learning_rate", record["learning_rate"], epoch)
        self._writer.flush()
        self._inner.on_epoch_end(record)
