"""Trainings that are killed at random moments and at file operations, and go on bit for bit."""

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import CASES, SEED, Outcome, Product, leftovers, quick

TIMES = ("seconds", "images_per_second")
KINDS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def facts(run: Path) -> dict[str, Any]:
    """Everything of a finished run that must not depend on how often it was stopped."""
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    with np.load(run / "predictions.npz") as arrays:
        predictions = {name: arrays[name].tobytes() for name in arrays.files}
    names = (
        "weights.safetensors",
        "checkpoint.safetensors",
        "metrics.json",
        "config.toml",
        "tree.json",
        "network.json",
    )
    return {
        **{name: (run / name).read_bytes() for name in names},
        "history": [{key: value for key, value in record.items() if key not in TIMES} for record in history],
        "predictions": predictions,
    }


@pytest.fixture(scope="module")
def whole(product: Product, photos: Path) -> tuple[dict[str, Any], float]:
    """The facts of a training that was never stopped, and how long it took."""
    outcome = product.keeps_its_word("train", "--data", photos, "--out", "whole", *quick())
    assert outcome.code == 0
    return facts(product.place / "whole"), outcome.seconds


def finished(product: Product, run: Path, photos: Path) -> Outcome:
    """Go on until it is done: resumed, or begun again where nothing was written yet."""
    if (run / "environment.json").exists():
        return product.keeps_its_word("resume", run)
    return product.keeps_its_word("train", "--data", photos, "--out", run, *quick())


def test_a_killed_training_ends_as_one_that_was_never_killed(
    product: Product, photos: Path, whole: tuple[dict[str, Any], float]
) -> None:
    wanted, seconds = whole
    rng = random.Random(SEED)
    for case in range(max(3, CASES // 4)):
        run = product.place / f"killed-{case}"
        if case % 2:
            how: dict[str, Any] = {"die_at": rng.randint(1, 60)}
        else:
            how = {"shot": (rng.uniform(0.05, 1.1) * seconds, rng.choice(KINDS))}
        words = ("train", "--data", photos, "--out", run, *quick())
        outcome = product.run(*words, **how)
        assert "Traceback" not in outcome.err, (how, outcome.err)
        if outcome.code != 0:
            assert finished(product, run, photos).code == 0, how
        found = facts(run)
        assert [name for name in wanted if wanted[name] != found[name]] == [], how
        assert leftovers(run) == [], how
        shutil.rmtree(run)


def test_a_disk_that_fills_ends_in_a_sentence_and_room_lets_it_go_on(
    product: Product, photos: Path, whole: tuple[dict[str, Any], float]
) -> None:
    rng = random.Random(SEED + 1)
    for case in range(max(2, CASES // 8)):
        run = product.place / f"full-{case}"
        room = rng.choice((100, 2000, 6000, 20_000))
        words = ("train", "--data", photos, "--out", run, *quick())
        outcome = product.keeps_its_word(*words, room=room)
        assert outcome.code == 0 or leftovers(run) == [], room
        if outcome.code != 0:
            assert finished(product, run, photos).code == 0, room
        assert facts(run)["weights.safetensors"] == whole[0]["weights.safetensors"], room
        shutil.rmtree(run)


def test_tables_that_are_killed_or_do_not_fit_are_absent(product: Product, run: Path, photos: Path) -> None:
    rng = random.Random(SEED + 2)
    for case in range(max(3, CASES // 4)):
        folder = product.place / f"table-{case}"
        folder.mkdir()
        table = folder / f"t.{rng.choice(('csv', 'jsonl', 'parquet'))}"
        kind = rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, None))
        how: dict[str, Any] = {"shot": (rng.uniform(0, 0.2), kind)}
        if kind is None:
            how = {"room": rng.choice((10, 300, 1500))}
        outcome = product.run("predict", run, photos, "--out", table, "--nodes", **how)
        assert outcome.code == 0 or list(folder.iterdir()) == [], (how, outcome)
        if outcome.signal is None:  # one that came before the command had begun
            assert outcome.broken() is None, (how, outcome.broken())
        assert product.keeps_its_word("predict", run, photos, "--out", table, "--force").code == 0
        shutil.rmtree(folder)
