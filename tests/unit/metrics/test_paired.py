"""Paired comparison: by hand where the numbers are small, by law where they are not."""

from pathlib import Path

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.metrics.paired import McNemar, Measure, mcnemar, measures, paired_differences
from treehead.metrics.summary import summarise
from treehead.run.comparison import compare
from treehead.run.text import comparison_lines
from treehead.runfiles import RunFolder, write_arrays, write_json, write_text
from treehead.types import Array, UserError

TREE = LabelTree.from_nested("t", ["leaf", "kind"], {"a": ["a1", "a2"], "b": ["b1", "b2"]})


def predictions(seed: int, images: int = 300, *, unknown: int = 0) -> dict[str, Array]:
    """Labels that do not depend on the seed, the leaf of the last `unknown` not known, and a classifier that does."""
    rng = np.random.default_rng(seed)
    labels = TREE.label_paths(np.arange(images) % 4)
    probabilities = [rng.dirichlet(np.ones(size), images) for size in TREE.sizes]
    for level, shares in enumerate(probabilities):
        shares[np.arange(images), labels[:, level]] += rng.random(images)
        shares /= shares.sum(axis=1, keepdims=True)
    answers = np.stack([shares.argmax(axis=1) for shares in probabilities], axis=1)
    labels[images - unknown :, 0] = -1
    return {"labels": labels, "answers": answers, "leaf": probabilities[0], "kind": probabilities[1]}


def measured(seed: int, *, unknown: int = 0) -> dict[str, Measure]:
    p = predictions(seed, unknown=unknown)
    return measures(
        TREE, labels=p["labels"], answers=p["answers"], probabilities=[p["leaf"], p["kind"]], leaf_scores=p["leaf"]
    )


def test_mcnemar_by_hand() -> None:
    """1 against 4 of 5 disagreements: 2 * (C(5, 0) + C(5, 1)) / 32 = 12 / 32."""
    first = np.array([1, 0, 0, 0, 0, 1, 0], bool)
    second = np.array([0, 1, 1, 1, 1, 1, 0], bool)
    assert mcnemar(first, second) == McNemar(1, 4, 0.375)
    assert mcnemar(second, first) == McNemar(4, 1, 0.375)
    assert mcnemar(first, first) == McNemar(0, 0, 1.0)


@pytest.mark.parametrize("unknown", [0, 70])
def test_every_measure_is_the_metric_of_the_summary(unknown: int) -> None:
    p = predictions(1, unknown=unknown)
    figures = summarise(TREE, labels=p["labels"], answers=p["answers"], probabilities=[p["leaf"], p["kind"]])
    sides = measured(1, unknown=unknown), measured(2, unknown=unknown)
    first = {row.metric: row.first for row in paired_differences(*sides, num_resamples=2)}
    for key in ("accuracy", "top5", "loss", "calibration_error", "hd"):
        for part, value in figures[key].items():
            assert first.pop(f"{key}.{part}") == pytest.approx(value, rel=1e-12), (key, part)
    for height, count in enumerate(figures["severity_counts"]):
        assert first.pop(f"severity_{height}") == pytest.approx(count / (300 - unknown))
    for key in ("mistake_severity", "full_path_accuracy", "tree_inconsistency"):
        assert first.pop(key) == pytest.approx(figures[key])
    assert first == {}


def test_a_run_compared_with_itself_has_no_difference() -> None:
    for row in paired_differences(measured(1), measured(1), num_resamples=20):
        assert (row.difference, row.low, row.high, row.is_noise) == (0, 0, 0, True)


def test_swapping_the_runs_swaps_the_sign() -> None:
    there = paired_differences(measured(1), measured(2), num_resamples=200)
    back = paired_differences(measured(2), measured(1), num_resamples=200)
    for one, other in zip(there, back, strict=True):
        assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    """With many images the percentile interval nears mean -+ 1.96 standard errors."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 4000))
    sides = [{"m": Measure(side[:, None], lambda means: means[:, 0])} for side in (first, second)]
    (row,) = paired_differences(sides[0], sides[1], num_resamples=4000)
    error = (second - first).std(ddof=1) / np.sqrt(4000)
    assert row.low == pytest.approx(row.difference - 1.96 * error, abs=0.1 * error)
    assert row.high == pytest.approx(row.difference + 1.96 * error, abs=0.1 * error)


def test_the_interval_over_labelled_images_is_that_of_these_images_alone() -> None:
    """900 of 1200 known: as wide as if the others were not there, not as wide as 1200 would make it."""
    labels = TREE.label_paths(np.arange(1200) % 4)
    labels[900:, 0] = -1
    sides = []
    for seed in (1, 2):
        p = predictions(seed, 1200)
        everything = {"labels": labels, "answers": p["answers"], "leaf_scores": p["leaf"]}
        sides.append(measures(TREE, probabilities=[p["leaf"], p["kind"]], **everything))
    right = [predictions(seed, 1200)["answers"][:900, 0] == labels[:900, 0] for seed in (1, 2)]
    gain = right[1].astype(float) - right[0]
    (row,) = (row for row in paired_differences(*sides) if row.metric == "accuracy.leaf")
    assert row.difference == pytest.approx(gain.mean())
    assert row.high - row.low == pytest.approx(2 * 1.96 * gain.std(ddof=1) / 30, rel=0.1)


def test_a_resample_without_a_labelled_image_is_left_out() -> None:
    """One leaf of eight is known, and right only in the second: every resample that holds it says a gain of 1."""
    labels = TREE.label_paths(np.arange(8) % 4)
    labels[1:, 0] = -1
    shares = [np.full((8, size), 1 / size) for size in TREE.sizes]
    sides = [
        measures(TREE, labels=labels, answers=answers, probabilities=shares, leaf_scores=shares[0])
        for answers in (np.ones((8, 2), np.int64), np.zeros((8, 2), np.int64))
    ]
    by_name = {row.metric: row for row in paired_differences(*sides, num_resamples=200)}
    assert [(by_name[name].low, by_name[name].high) for name in ("accuracy.leaf", "full_path_accuracy")] == [(1, 1)] * 2


def test_other_images_cannot_be_paired() -> None:
    short = {"m": Measure(np.zeros((3, 1)), lambda means: means[:, 0])}
    long = {"m": Measure(np.zeros((4, 1)), lambda means: means[:, 0])}
    with pytest.raises(UserError, match="3 images cannot be paired with 4"):
        paired_differences(short, long)


def evaluated(root: Path, seed: int, config: str = "", *, unknown: int = 0) -> Path:
    """A run folder with just what a comparison reads."""
    folder, p = RunFolder(root), predictions(seed, unknown=unknown)
    write_json(folder.environment, {"format": 1})
    write_text(folder.config, config)
    write_json(folder.tree, TREE.to_json())
    arrays = {"labels": p["labels"], "answers": p["answers"]}
    arrays |= {f"probabilities_{level}": p[level].astype(np.float16) for level in TREE.levels}
    write_arrays(folder.predictions, arrays)
    write_json(folder.metrics, {"decode": "independent"})
    return root


def test_two_run_folders_are_compared(tmp_path: Path) -> None:
    comparison = compare(evaluated(tmp_path / "a", 1), evaluated(tmp_path / "b", 2))
    assert comparison.images == 300
    first, second = predictions(1), predictions(2)
    right = [p["answers"][:, 1] == p["labels"][:, 1] for p in (first, second)]
    assert comparison.mcnemar["kind"] == mcnemar(*right)
    by_name = {row.metric: row for row in comparison.differences}
    assert by_name["accuracy.kind"].difference == pytest.approx(right[1].mean() - right[0].mean())


def test_partly_labelled_images_are_compared_at_their_labelled_levels(tmp_path: Path) -> None:
    comparison = compare(evaluated(tmp_path / "a", 1, unknown=100), evaluated(tmp_path / "b", 2, unknown=100))
    assert (comparison.images, comparison.known) == (300, {"leaf": 200, "kind": 300})
    assert list(comparison_lines(comparison, "a", "b"))[1] == "  leaf over 200 labelled images"
    first, second = (predictions(seed, unknown=100) for seed in (1, 2))
    right = [p["answers"][:200, 0] == p["labels"][:200, 0] for p in (first, second)]
    assert comparison.mcnemar["leaf"] == mcnemar(*right)
    by_name = {row.metric: row for row in comparison.differences}
    assert by_name["accuracy.leaf"].difference == pytest.approx(right[1].mean() - right[0].mean())


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    one = evaluated(tmp_path / "a", 1)
    other = evaluated(tmp_path / "b", 2, '[data]\npool = "all"\nsplit = "80:20"')
    with pytest.raises(UserError, match="have different test images: with data"):
        compare(one, other)
    (other / "predictions.npz").unlink()
    with pytest.raises(UserError, match=r"no predictions\.npz"):
        compare(one, other)
    with pytest.raises(UserError, match="there is no run folder at nowhere"):
        compare(one, Path("nowhere"))
    shifted = evaluated(tmp_path / "c", 2)
    p = RunFolder(shifted)
    write_arrays(p.predictions, p.read_arrays(p.predictions) | {"labels": np.roll(predictions(2)["labels"], 1, 0)})
    with pytest.raises(UserError, match="have different test images and cannot"):
        compare(one, shifted)
