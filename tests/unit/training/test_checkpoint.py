"""A checkpoint gives back what was saved, and is refused where a bit of it, or what it belongs to, is another."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import treehead
from treehead.config import deciding
from treehead.records.run import EpochRecord
from treehead.runfiles import RunFolder
from treehead.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    read_weights,
    save_checkpoint,
    save_weights,
)
from treehead.training.resuming import check_resumable, history_digest
from treehead.types import UserError

ARRAYS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(3, np.int64)}
CHECKPOINT = Checkpoint(2, {"a.weight": ARRAYS["a.weight"]}, {"step": ARRAYS["step"]}, {"tree": "t"})


def test_everything_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", CHECKPOINT)
    again = load_checkpoint(tmp_path / "c")
    assert (again.epoch, again.belongs_to) == (2, {"tree": "t"})
    np.testing.assert_array_equal(again.weights["a.weight"], ARRAYS["a.weight"])
    assert again.optimizer["step"].shape == ()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "c"
    save_checkpoint(path, CHECKPOINT)
    return path


@given(bit=st.integers(0, 10**6))
def test_no_flipped_bit_is_believed(saved: Path, bit: int) -> None:
    data = bytearray(saved.read_bytes())
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    damaged = saved.with_name("damaged")
    damaged.write_bytes(bytes(data))
    try:
        again = load_checkpoint(damaged)
    except UserError:
        return
    np.testing.assert_array_equal(again.weights["a.weight"], ARRAYS["a.weight"])  # a space of the header's padding
    assert (again.epoch, again.belongs_to, int(again.optimizer["step"])) == (2, {"tree": "t"}, 3)


def test_a_file_of_an_earlier_version_is_refused_as_a_checkpoint_and_read_as_weights(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"weights.a": np.zeros(2, np.float32)}, tmp_path / "old", {"epoch": "3"})
    with pytest.raises(UserError, match="has no digest of its content, as an earlier version of treehead left it"):
        load_checkpoint(tmp_path / "old")
    assert load_weights(tmp_path / "old").keys() == {"weights.a"}


@pytest.mark.parametrize("half", [False, True])
def test_weights_say_what_they_belong_to(tmp_path: Path, half: bool) -> None:
    save_weights(tmp_path / "w", {"a": ARRAYS["a.weight"]}, half=half, belongs_to={"tree": "t"})
    weights, header = read_weights(tmp_path / "w")
    np.testing.assert_array_equal(weights["a"], ARRAYS["a.weight"])
    assert header["tree"] == "t"


# ---- what a checkpoint belongs to

CONFIG = treehead.recipe("shapes")


def record(epoch: int) -> EpochRecord:
    figures: Any = {"loss": 1.0 / epoch, "losses": {"fine": 0.1}, "accuracy": {"fine": 0.5}}
    return {
        "epoch": epoch,
        "learning_rate": 0.1,
        "seconds": 1.5,
        "images_per_second": 2.0,
        "train": figures,
        "validation": figures,
    }


def facts(**changes: str) -> dict[str, str]:
    return {"config": json.dumps(deciding(CONFIG)), "tree": "t", "images": "i", **changes}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.write_history([record(1), record(2), record(3)])
    return folder


def resumed(folder: RunFolder, now: dict[str, str], *, epoch: int = 2, num_epochs: int = 5) -> list[EpochRecord]:
    stored = facts() | {"history": history_digest([record(1), record(2)])}
    return check_resumable(Checkpoint(epoch, {}, {}, stored), now, folder, num_epochs=num_epochs)


def test_the_history_is_cut_to_the_checkpoint(folder: RunFolder) -> None:
    assert resumed(folder, facts()) == [record(1), record(2)]


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", 7), ("optimizer.learning_rate", 0.5), ("optimizer.kind", "sgd"), ("train.epochs", 99)],
)
def test_another_config_is_refused_by_its_key(folder: RunFolder, key: str, value: object) -> None:
    config = treehead.changed(CONFIG, {key: value})
    with pytest.raises(UserError, match=r"config\.toml has .* but this run was trained with .*; restore the value"):
        resumed(folder, facts(config=json.dumps(deciding(config))))


def test_places_engine_and_outputs_may_change(folder: RunFolder) -> None:
    changes = {
        "data.root": "elsewhere",
        "data.cache": "c",
        "engine.kind": "scratch",
        "output.images": False,
        "name": "x",
    }
    assert resumed(folder, facts(config=json.dumps(deciding(treehead.changed(CONFIG, changes)))))


def test_a_key_that_is_newer_than_the_checkpoint_has_its_default(folder: RunFolder) -> None:
    before = deciding(CONFIG)
    del before["data.calibration"]
    stored = facts(config=json.dumps(before)) | {"history": history_digest([record(1)])}
    assert check_resumable(Checkpoint(1, {}, {}, stored), facts(), folder, num_epochs=5) == [record(1)]


@pytest.mark.parametrize(("name", "file"), [("tree", "tree.json"), ("images", "images.npz")])
def test_another_tree_or_record_is_refused(folder: RunFolder, name: str, file: str) -> None:
    with pytest.raises(UserError, match=rf"{file} is not the one that this run was trained with"):
        resumed(folder, facts(**{name: "other"}))


def shorter(folder: RunFolder) -> None:
    folder.write_history([record(1)])


def edited(folder: RunFolder) -> None:
    folder.write_history([record(1), record(2) | {"learning_rate": 9.0}])  # pyright: ignore[reportArgumentType]


def removed(folder: RunFolder) -> None:
    folder.history.unlink()


def numbers(folder: RunFolder) -> None:
    folder.history.write_text("1\n2\n", encoding="utf-8")


@pytest.mark.parametrize("change", [shorter, edited, removed, numbers])
def test_another_history_is_refused(folder: RunFolder, change: Callable[[RunFolder], None]) -> None:
    change(folder)
    with pytest.raises(UserError, match=r"history\.jsonl is not the history of the 2 epochs in"):
        resumed(folder, facts())


@pytest.mark.parametrize("epoch", [-1, 0, 99])
def test_an_epoch_out_of_range_is_refused(folder: RunFolder, epoch: int) -> None:
    with pytest.raises(UserError, match="is not the history of"):
        resumed(folder, facts(), epoch=epoch)


def test_the_same_state_is_the_same_bytes_and_no_entry_can_be_added(tmp_path: Path) -> None:
    facts = {name: name for name in ("config", "tree", "images", "history")}
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, Checkpoint(2, CHECKPOINT.weights, CHECKPOINT.optimizer, facts))
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["epoch"] = "99"
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (tmp_path / "a").write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    with pytest.raises(UserError, match="its header was edited"):
        load_checkpoint(tmp_path / "a")


def test_times_are_not_part_of_a_history() -> None:
    slower = record(1) | {"seconds": 99.0, "images_per_second": 1.0}
    assert history_digest([slower]) == history_digest([record(1)])  # pyright: ignore[reportArgumentType]
