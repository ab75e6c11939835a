"""A study's effects, intervals and answers, against differences computed by hand."""

from dataclasses import replace
from math import sqrt
from typing import cast

import pytest

from treehead.config import RunConfig, changed
from treehead.decode import DECODERS
from treehead.records.run import DecoderFigures, EpochRecord, Metrics
from treehead.study.answers import answers
from treehead.study.cell_row import first_epoch
from treehead.study.grid import Axis, Cell, Extra, Study, axis, cells, default_compare
from treehead.study.markdown import as_markdown
from treehead.study.pairing import noise_of
from treehead.study.scheduler import CellState, seconds_left
from treehead.study.summary import summarise_study

OPTIMIZERS = Axis("optimizer", {"adam": {"optimizer.kind": "adam"}, "sgd": {"optimizer.kind": "sgd"}})
SPLITS = axis("data.split", ["80:20", "90:10"])
AXES = (OPTIMIZERS, SPLITS)
EXTRA = Extra("no-norm", {"optimizer": "adam", "data.split": "80:20"}, {"network.norm": "none"})
STUDY = Study("s", "", RunConfig(), AXES, default_compare(AXES), (EXTRA,))


def finished(cell: Cell, accuracy: float, *, reach: float = 0.75) -> CellState:
    """A run whose validation accuracy rises linearly to `reach` over ten epochs."""

    def record(epoch: int) -> EpochRecord:
        figures = {"loss": 1.0 / epoch, "losses": {"fine": 1.0}, "accuracy": {"fine": reach * epoch / 10}}
        pace = {"learning_rate": 0.1, "images_per_second": 100.0}
        return cast("EpochRecord", pace | {"epoch": epoch, "seconds": 6.0, "train": figures, "validation": figures})

    history = [record(epoch) for epoch in range(1, 11)]
    wrong = round(1000 * (1 - accuracy))
    metrics = {
        "levels": ["fine"],
        "tree": "t",
        "accuracy": {"fine": accuracy},
        "severity_counts": [1000 - wrong, wrong],
        "recall": {"fine": [0.75, 1.0]},
        "calibration": {when: {"calibration_error": {"fine": 0.1}} for when in ("before", "after")},
        "decoders": {kind: decoded(accuracy, wrong) for kind in DECODERS},
    }
    return CellState(cell, "finished", history, cast("Metrics", metrics), None)


def decoded(accuracy: float, wrong: int) -> DecoderFigures:
    """What metrics.json has of one decoder."""
    return {
        "accuracy": {"fine": accuracy},
        "severity_counts": [1000 - wrong, wrong],
        "severity_share": [1.0],
        "severity_chance": [1.0],
        "mistake_severity": 1.0,
        "hd": {"1": wrong / 1000},
        "full_path_accuracy": accuracy,
        "tree_inconsistency": 0.0,
        "hierarchical": {"precision": accuracy, "recall": accuracy, "f1": accuracy},
    }


def waiting(cell: Cell) -> CellState:
    return CellState(cell, "waiting", [], None, None)


def test_training_times_on_several_machines_are_not_compared() -> None:
    states = [replace(finished(cell, 0.7), machine="a GPU") for cell in cells(STUDY)]
    question = "How long does a run take?"
    assert question not in {answer["question"] for answer in summarise_study(STUDY, states)["answers"]}
    states[1:3] = [replace(state, machine="two cores") for state in states[1:3]]
    assert summarise_study(STUDY, states)["answers"][-1] == {
        "question": question,
        "text": "The runs were on 2 machines (3 on a GPU, 2 on two cores); training times are comparable only on the "
        "same machine.",
    }


def test_main_effect_and_interaction() -> None:
    """adam 0.70, 0.72; sgd 0.71, 0.75: sgd gains 0.01 and 0.03, mean 0.02, deviation 0.01 * sqrt(2)."""
    values = dict(zip([cell.name for cell in cells(STUDY)], [0.70, 0.72, 0.71, 0.75, 0.60], strict=True))
    summary = summarise_study(STUDY, [finished(cell, values[cell.name]) for cell in cells(STUDY)])
    effect = next(e for e in summary["effects"] if e["measure"] == "accuracy.fine" and e["axis"] == "optimizer")
    assert (effect["mean"], effect["n"]) == (pytest.approx(0.02), 2)
    half = 12.7062 * 0.01 * sqrt(2) / sqrt(2)
    assert (effect["low"], effect["high"]) == (
        pytest.approx(0.02 - half, abs=1e-5),
        pytest.approx(0.02 + half, abs=1e-5),
    )
    assert effect["is_noise"]
    (gap,) = [g for g in summary["interactions"] if g["measure"] == "accuracy.fine"]
    assert gap["mean"] == pytest.approx(0.02)
    assert gap["low"] is None
    texts = " ".join(answer["text"] for answer in summary["answers"])
    assert "No significant difference in fine test accuracy between adam and sgd: +2.00 points for sgd" in texts
    assert (
        "With 90:10 instead of 80:20, the effect of sgd compared with adam on fine test accuracy changes by +2.00 "
        "points: from one pair of runs, significance unknown."
    ) in texts


def test_the_interval_of_an_extra_uses_the_residual_noise() -> None:
    """The additive fit of 0.70, 0.72, 0.71, 0.75 leaves 0.005 in each cell: one degree, deviation 0.01."""
    values = dict(zip([cell.name for cell in cells(STUDY)], [0.70, 0.72, 0.71, 0.75, 0.60], strict=True))
    noise = noise_of([cell for cell in cells(STUDY) if cell.extra is None], values)
    assert noise is not None
    assert (noise.deviation, noise.degrees, noise.source) == (pytest.approx(0.01), 1, "residual")
    summary = summarise_study(STUDY, [finished(cell, values[cell.name]) for cell in cells(STUDY)])
    extra = next(e for e in summary["extras"] if e["measure"] == "accuracy.fine")
    assert extra["mean"] == pytest.approx(-0.10)
    assert extra["high"] == pytest.approx(-0.10 + 12.7062 * 0.01 * sqrt(2), abs=1e-5)


def test_noise_is_estimated_from_repeated_seeds() -> None:
    """Two cells of two seeds, 0.70 and 0.72 in each: squares 2 * 2 * 0.0001, two degrees."""
    axes = (OPTIMIZERS, axis("seed", [0, 1]))
    study = Study("s", "", RunConfig(), axes, default_compare(axes))
    values = dict(zip([cell.name for cell in cells(study)], [0.70, 0.72, 0.80, 0.82], strict=True))
    noise = noise_of(cells(study), values)
    assert noise is not None
    assert (noise.deviation, noise.degrees, noise.source) == (pytest.approx(sqrt(0.0002)), 2, "seeds")
    summary = summarise_study(study, [finished(cell, values[cell.name]) for cell in cells(study)])
    (effect,) = [e for e in summary["effects"] if e["measure"] == "accuracy.fine"]
    assert (effect["mean"], effect["is_noise"]) == (pytest.approx(0.1), False)
    assert any(
        a["text"].startswith("sgd is significantly more accurate than adam: +10.00 points") for a in summary["answers"]
    )


def test_mistakes_are_compared_with_the_first_choice_paired_by_seed() -> None:
    """adam 300 and 280 mistakes of 1,000, sgd 270 and 270: 30 and 10 fewer, mean 20 of 290, deviation 10 sqrt(2)."""
    study = Study("s", "", RunConfig(), (OPTIMIZERS, axis("seed", [0, 1])), default_compare((OPTIMIZERS,)))
    states = [finished(cell, value) for cell, value in zip(cells(study), [0.70, 0.72, 0.73, 0.73], strict=True)]
    summary = summarise_study(study, states)
    first, second = (row for row in summary["mistakes"] if row["decode"] == "independent")
    assert (first["at"], first["runs"], first["against"]) == ({"optimizer": "adam"}, 2, None)
    assert first["figures"]["severity.1"]["mean"] == pytest.approx(0.29)
    assert second["against"]
    against = second["against"]["severity.1"]
    assert (against["mean"], against["high"]) == (pytest.approx(-0.02), pytest.approx(-0.02 + 12.7062 * 0.01, abs=1e-5))
    text = as_markdown(summary)
    assert "| sgd | independent | 2 | 7,300 ± 0 | 2,700 ± 0 | -6.9 % |" in text
    assert (
        "sgd makes 200 fewer mistakes of severity 1 in 10,000 images than adam, -6.9 % (95 % confidence interval -1471"
    ) in text
    assert len(summary["mistakes_table"]["lines"]) == 2 * len(DECODERS)


LOSSES = Axis("loss", {"cross_entropy": {"loss.kind": "cross_entropy"}, "hxe": {"loss.kind": "hxe"}})


def mildest(*milder: tuple[str, float, int]) -> str | None:
    """The answer of two losses and two seeds, 300 mistakes of 1,000 everywhere but for hxe under `milder` decoders."""
    study = Study("s", "", RunConfig(), (LOSSES, axis("seed", [0, 1])), default_compare((LOSSES,)))
    states = [finished(cell, 0.7) for cell in cells(study)]
    for state in states[2:]:
        assert state.metrics
        for kind, accuracy, wrong in milder:
            state.metrics["decoders"][kind] = decoded(accuracy, wrong)
    texts = {answer["question"]: answer["text"] for answer in summarise_study(study, states)["answers"]}
    return texts.get("Which makes the fewest severe mistakes without losing accuracy?")


def test_the_fewest_severe_mistakes_among_the_alternatives_that_keep_the_accuracy() -> None:
    """path has the fewest mistakes and loses a point; crm has 25 fewer of 300, at 0.2 points."""
    assert mildest(("path", 0.69, 200), ("crm", 0.698, 275), ("marginal", 0.7, 290)) == (
        "hxe with the decoder crm: 250 fewer mistakes of severity 1 in 10,000 images, -8.3 % (95 % confidence interval "
        "-250 to -250 images, 2 pairs of runs), and a change in accuracy of -0.20 points. These are the fewest among "
        "the 8 of 9 alternatives with a fine test accuracy at most 0.3 points below that of cross_entropy with the "
        "decoder independent."
    )


def test_no_alternative_makes_fewer_severe_mistakes() -> None:
    assert mildest(("path", 0.69, 200)) == (
        "None of the 9 alternatives makes fewer mistakes of severity 1 at a fine test accuracy at most 0.3 points "
        "below that of cross_entropy with the decoder independent."
    )


def test_runs_with_different_trees_have_no_table_of_mistakes() -> None:
    states = [finished(cell, 0.7) for cell in cells(STUDY)]
    assert states[0].metrics
    states[0].metrics["tree"] = "another"
    summary = summarise_study(STUDY, states)
    assert summary["mistakes"] == []
    assert "severity 1 |" not in as_markdown(summary)


def test_the_significance_of_one_pair_is_unknown() -> None:
    study = Study("s", "", RunConfig(), (OPTIMIZERS,), default_compare((OPTIMIZERS,)))
    summary = summarise_study(study, [finished(cell, 0.7) for cell in cells(study)])
    assert "from one pair of runs, significance unknown; repeat with --seeds 3" in summary["answers"][0]["text"]


def test_choices_with_one_pair_of_runs_share_a_sentence() -> None:
    """Two seeds of batches of 32, 64 (10 points better) and one each of 128 and 256 (2 and 3 points worse)."""
    sizes = axis("train.batch_size", [32, 64, 128, 256])
    study = Study("s", "", RunConfig(), (axis("seed", [0, 1]), sizes), default_compare((sizes,)))
    reached = {32: 0.70, 64: 0.80, 128: 0.68, 256: 0.67}
    states = []
    for cell in cells(study):
        size = cell.config.train.batch_size
        states.append(waiting(cell) if cell.config.seed and size > 64 else finished(cell, reached[size]))
    answers = summarise_study(study, states)["answers"]
    texts = [a["text"] for a in answers if a["question"] == "train.batch_size: which is more accurate?"]
    assert [text.split(" of fine")[0] for text in texts] == [
        "64 is significantly more accurate than 32: +10.00 points",
        "Compared with 32, from one pair of runs each, significance unknown: 128 -2.00, 256 -3.00 points",
    ]
    assert texts[1].endswith(" points of fine test accuracy; repeat with --seeds 3.")
    question = "train.batch_size: which makes fewer severe mistakes?"
    (_, severe) = [a["text"] for a in answers if a["question"] == question]
    assert "128 +200, 256 +300 mistakes of severity 1 in 10,000 images" in severe


def test_learning_speed_is_the_first_epoch_at_a_mark() -> None:
    """reach 0.75: 60 % at epoch 8; reach 1.0: at epoch 6. 70 %: 10 and 7."""
    study = Study("s", "", RunConfig(), (OPTIMIZERS,), default_compare((OPTIMIZERS,)))
    adam, sgd = cells(study)
    summary = summarise_study(study, [finished(adam, 0.7), finished(sgd, 0.7, reach=1.0)])
    assert summary["answers"][1]["text"].startswith(
        "sgd reaches 70 % validation accuracy 3.00 epochs earlier than adam"
    )
    same = summarise_study(study, [finished(adam, 0.7), finished(sgd, 0.7)])
    assert "70 % validation accuracy in the same epoch as adam" in same["answers"][1]["text"]
    slow = summarise_study(study, [finished(adam, 0.7, reach=0.5), finished(sgd, 0.7)])
    assert (
        "Averaged over all epochs, the validation accuracy of sgd is 13.75 points higher" in slow["answers"][1]["text"]
    )


def test_first_epoch_at_a_mark() -> None:
    assert first_epoch([0.1, 0.6, 0.5, 0.7], 0.6) == 2
    assert first_epoch([0.1], 0.6) is None


def test_an_unfinished_study_has_a_summary() -> None:
    states = [finished(cells(STUDY)[0], 0.7), *map(waiting, cells(STUDY)[1:])]
    summary = summarise_study(STUDY, states)
    assert summary["effects"] == []
    text = as_markdown(summary)
    assert "| adam | 80:20 |  | 70.00 % |" in text
    assert text.count("waiting") == 4
    nothing = summarise_study(STUDY, [waiting(cell) for cell in cells(STUDY)])
    assert answers(nothing)[0]["text"] == "No run is finished yet."


def test_time_left_is_the_remaining_work_at_the_known_pace() -> None:
    """4 waiting runs of 50 epochs at 6 seconds, two at a time."""
    states = [finished(cells(STUDY)[0], 0.7), *map(waiting, cells(STUDY)[1:])]
    assert seconds_left(states, 2) == 4 * 50 * 6 / 2
    assert seconds_left(states[1:], 2) is None


def test_time_left_includes_larger_images_and_second_passes() -> None:
    """Two epochs on 16 x 16 pixels took 6 seconds each, so two on 32 x 32 with two passes take 8 times as long."""
    config = changed(
        RunConfig(),
        {
            "train.epochs": 4,
            "augment.shrink": [{"until": 0.5, "pixels": 16}],
            "sam": {"radius": 0.01, "begin": 0.5},
        },
    )
    cell = Cell("a", {}, None, config)
    halfway = CellState(cell, "running", finished(cell, 0.7).history[:2], None, None)
    assert seconds_left([halfway], 1) == 2 * 6 * 8
    assert seconds_left([halfway, waiting(cell)], 1) == 2 * 6 * 8 + 2 * 6 + 2 * 6 * 8
