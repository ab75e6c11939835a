"""A study's results as sentences, under the questions they answer, with their statistical significance."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from treehead.records.study import (
    Answer,
    ClassSpread,
    Effect,
    ExtraEffect,
    Interaction,
    IntervalRecord,
    JudgedDifference,
    MistakeRow,
    StudySummary,
)

MAX_LOSS = 0.003
"""Fraction of the images by which accuracy may fall and still count as kept."""
REPEAT = "repeat with --seeds 3"
VERDICTS = {None: "from one pair of runs, significance unknown", True: "not significant", False: "significant"}
"""By `is_noise`."""


def answers(summary: StudySummary) -> list[Answer]:
    """The sentences in reading order, each with its question; those of one question stand together."""
    if not summary["levels"]:
        return [{"question": "No results yet", "text": "No run is finished yet."}]
    return [{"question": question, "text": text} for question, text in _answers(summary)]


def _answers(summary: StudySummary) -> Iterator[tuple[str, str]]:
    leaf = summary["levels"][0]
    for comparison in _comparisons(summary):
        yield from _compared(summary, comparison)
    for interaction in summary["interactions"]:
        if interaction["measure"] == f"accuracy.{leaf}":
            first, second = interaction["axes"]
            yield f"Does the effect of {first} depend on {second}?", _interaction(interaction, leaf)
    for extra in summary["extras"]:
        if extra["measure"] == f"accuracy.{leaf}":
            yield f"What does {extra['extra']} change?", _extra(extra, leaf)
    if mildest := _mildest(summary, leaf):
        yield "Which makes the fewest severe mistakes without losing accuracy?", mildest
    if best := _best_by_validation(summary, leaf):
        yield "Which is best on the validation images?", best
    if summary["classes"]:
        yield f"Is any {leaf} class much worse than the others?", _classes(summary["classes"])
    yield "How large is the noise between runs?", _noise(summary, leaf)
    if machines := _machines(summary):
        yield "How long does a run take?", machines


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A question about the choices of an axis ("which ..."), the measure that answers it, and how to write the answer:
    as a sentence, or as a bare number of `scale` units."""

    question: str
    measure: str
    sentence: Callable[[Effect], str]
    scale: float
    digits: int
    unit: str


def _comparisons(summary: StudySummary) -> tuple[_Comparison, ...]:
    leaf, height = summary["levels"][0], len(summary["levels"])
    accuracy, curve = f"points of {leaf} test accuracy", "points of validation accuracy, averaged over all epochs"
    severe = f"mistakes of severity {height} in 10,000 images"
    return (
        _Comparison("is more accurate", f"accuracy.{leaf}", lambda effect: _accuracy(effect, leaf), 100, 2, accuracy),
        _Comparison("learns faster", "mean_validation", lambda effect: _speed(summary, effect), 100, 2, curve),
        _Comparison(
            "makes fewer severe mistakes", "severe", lambda effect: _severe(summary, effect), 10_000, 0, severe
        ),
    )


def _compared(summary: StudySummary, comparison: _Comparison) -> Iterator[tuple[str, str]]:
    """A question per axis, a sentence per comparison; several with one pair of runs each share the last sentence."""
    effects = [effect for effect in summary["effects"] if effect["measure"] == comparison.measure]
    for axis in dict.fromkeys(effect["axis"] for effect in effects):
        along = [effect for effect in effects if effect["axis"] == axis]
        choices = f", {along[0]['first']} or {along[0]['second']}" if len(along) == 1 else ""
        single = [effect for effect in along if effect["is_noise"] is None]
        listed = single if len(single) > 1 else []
        texts = [comparison.sentence(effect) for effect in along if effect not in listed]
        texts += [_list(first, listed, comparison) for first in dict.fromkeys(effect["first"] for effect in listed)]
        yield from ((f"{axis}: which {comparison.question}{choices}?", text) for text in texts)


def _list(first: str, effects: Sequence[Effect], comparison: _Comparison) -> str:
    """The differences to `first`, as bare numbers."""
    differences = [
        f"{effect['second']} {_signed(comparison.scale * effect['mean'], comparison.digits)}"
        for effect in effects
        if effect["first"] == first
    ]
    return (
        f"Compared with {first}, from one pair of runs each, significance unknown: {', '.join(differences)} "
        f"{comparison.unit}; {REPEAT}."
    )


def _accuracy(effect: Effect, leaf: str) -> str:
    first, second, difference = effect["first"], effect["second"], _points(effect["mean"])
    if effect["is_noise"] is None:
        return f"{second} differs from {first} by {difference} of {leaf} test accuracy, {VERDICTS[None]}; {REPEAT}."
    if effect["is_noise"]:
        return (
            f"No significant difference in {leaf} test accuracy between {first} and {second}: {difference} for "
            f"{second}{_interval(effect)}."
        )
    better, worse = (second, first) if effect["mean"] > 0 else (first, second)
    return (
        f"{better} is significantly more accurate than {worse}: {difference} of {leaf} test accuracy for "
        f"{second}{_interval(effect)}."
    )


def _speed(summary: StudySummary, effect: Effect) -> str:
    """By the epoch that first reaches a mark, if every pair of runs reaches it; else by the mean of the curve."""
    by_measure = {
        other["measure"]: other
        for other in summary["effects"]
        if all(other[key] == effect[key] for key in ("axis", "first", "second", "n"))
    }
    first, second = effect["first"], effect["second"]
    for mark in ("70", "60"):
        if epochs := by_measure.get(f"epochs_to.{mark}"):
            amount = f"{abs(epochs['mean']):.2f} epochs {'later' if epochs['mean'] > 0 else 'earlier'} than"
            when = amount if epochs["mean"] else "in the same epoch as"
            return (
                f"{second} reaches {mark} % validation accuracy {when} {first}"
                f"{_interval(epochs, scale=1, unit='epochs')}: {VERDICTS[epochs['is_noise']]}."
            )
    higher = "higher" if effect["mean"] > 0 else "lower"
    return (
        f"Averaged over all epochs, the validation accuracy of {second} is {100 * abs(effect['mean']):.2f} points "
        f"{higher} than that of {first}{_interval(effect)}: {VERDICTS[effect['is_noise']]}."
    )


def _severe(summary: StudySummary, effect: Effect) -> str:
    """By the mistakes of the greatest severity, whose nearest common ancestor is the root."""
    first, second = effect["first"], effect["second"]
    usual = np.mean(
        [
            row["figures"]["severe"]
            for row in summary["cells"]
            if row["figures"] and row["extra"] is None and row["at"][effect["axis"]] == first
        ]
    )
    amount = f"{10_000 * abs(effect['mean']):.0f} {'more' if effect['mean'] > 0 else 'fewer'}"
    return (
        f"{second} makes {amount} mistakes of severity {len(summary['levels'])} in 10,000 images than {first}, "
        f"{100 * effect['mean'] / usual:+.1f} %{_interval(effect, scale=10_000, unit='images')}: "
        f"{VERDICTS[effect['is_noise']]}."
    )


def _mildest(summary: StudySummary, leaf: str) -> str | None:
    """Among the losses and decoders with the most seeds, compared with the first row of the table of mistakes."""
    rows = summary["mistakes"]
    seeds = max((row["runs"] for row in rows), default=0)
    others = [(row, row["against"]) for row in rows[1:] if row["against"] and row["runs"] == seeds]
    if "loss" not in summary["axes"] or not others:
        return None
    severest = f"severity.{len(summary['levels'])}"
    mistakes = f"mistakes of severity {len(summary['levels'])}"
    limit = f"at most {100 * MAX_LOSS:.1f} points below that of {_decoded(rows[0])}"
    kept = [(row, against) for row, against in others if against["accuracy"]["mean"] >= -MAX_LOSS]
    best, against = min(kept, key=lambda pair: pair[1][severest]["mean"], default=(rows[0], None))
    if against is None or against[severest]["mean"] >= 0:
        return f"None of the {len(others)} alternatives makes fewer {mistakes} at a {leaf} test accuracy {limit}."
    change, usual = against[severest], rows[0]["figures"][severest]["mean"]
    interval = _interval_text(change, scale=10_000, unit="images", source=f"{change['n']} pairs of runs")
    return (
        f"{_decoded(best)}: {10_000 * -change['mean']:.0f} fewer {mistakes} in 10,000 images, "
        f"{100 * change['mean'] / usual:+.1f} %{interval}, and a change in accuracy of "
        f"{_points(against['accuracy']['mean'])}. "
        f"These are the fewest among the {len(kept)} of {len(others)} alternatives with a {leaf} test accuracy {limit}."
    )


def _decoded(row: MistakeRow) -> str:
    return f"{row['choice']} with the decoder {row['decode']}"


def _interaction(interaction: Interaction, leaf: str) -> str:
    (first, second), (one, two) = interaction["choices"]
    return (
        f"With {two} instead of {one}, the effect of {second} compared with {first} on {leaf} test accuracy changes by "
        f"{_points(interaction['mean'])}{_interval(interaction, of='sets of four runs')}: "
        f"{VERDICTS[interaction['is_noise']]}."
    )


def _extra(extra: ExtraEffect, leaf: str) -> str:
    base = "its base run" if extra["n"] == 1 else f"its {extra['n']} base runs"
    return (
        f"{extra['extra']} changes {leaf} test accuracy by {_points(extra['mean'])} compared with {base}"
        f"{_interval(extra)}: {VERDICTS[extra['is_noise']]}."
    )


def _best_by_validation(summary: StudySummary, leaf: str) -> str | None:
    """Only if the validation images are not the test images, and the same in all runs."""
    accuracies = {row["name"]: row["figures"]["validation_accuracy"] for row in summary["cells"] if row["figures"]}
    if "official" in summary["splits"] or len(summary["splits"]) > 1 or len(accuracies) < 2:
        return None
    best = sorted(accuracies, key=lambda name: -accuracies[name])[:3]
    ranking = ", ".join(f"{name} ({100 * accuracies[name]:.2f} %)" for name in best)
    return f"Highest {leaf} accuracy on the validation images after the last epoch: {ranking}."


def _classes(spread: ClassSpread) -> str:
    """Outliers by Tukey's fence: below the lower quartile by more than 1.5 times the interquartile range.

    Source: Tukey 1977, Exploratory Data Analysis, section 2D.
    """
    accuracies = np.array(spread["accuracy"])
    low, high = np.percentile(accuracies, [25, 75])
    worst = int(accuracies.argmin())
    names = [name.replace("_", " ") for name in spread["names"] or (f"class {i}" for i in range(len(accuracies)))]
    outliers = [names[i] for i in np.argsort(accuracies) if accuracies[i] < low - 1.5 * (high - low)]
    over = "In the one run" if spread["runs"] == 1 else f"Averaged over {spread['runs']} runs"
    return (
        f"{over}, {names[worst]} has the lowest accuracy, {100 * accuracies[worst]:.1f} %, against a mean of "
        f"{100 * accuracies.mean():.1f} % over the classes. Half of the classes are between {100 * low:.1f} and "
        f"{100 * high:.1f} %. Low outliers (Tukey's fence): {', '.join(outliers) or 'none'}."
    )


def _noise(summary: StudySummary, leaf: str) -> str:
    noise = summary["noise"].get(f"accuracy.{leaf}")
    if noise is None:
        return f"The standard deviation of {leaf} test accuracy cannot be estimated from these runs; {REPEAT}."
    sources = {"seeds": "repeated seeds", "residual": "the residuals of an additive model of the axes"}
    degrees = f"{noise['degrees']} degree{'s' if noise['degrees'] > 1 else ''} of freedom"
    return (
        f"The {leaf} test accuracy of a run has a standard deviation of {100 * noise['deviation']:.2f} points, "
        f"estimated from {sources[noise['source']]} ({degrees})."
    )


def _machines(summary: StudySummary) -> str | None:
    """Only if the finished runs were on several machines."""
    runs = Counter(row["machine"] for row in summary["cells"] if row["figures"])
    if len(runs) < 2:
        return None
    numbers = ", ".join(f"{number} on {machine}" for machine, number in runs.most_common())
    return f"The runs were on {len(runs)} machines ({numbers}); training times are comparable only on the same machine."


def _points(difference: float) -> str:
    """A difference of fractions in percentage points."""
    return f"{_signed(100 * difference, 2)} points"


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # + 0.0 makes -0.0 positive


def _interval(
    difference: JudgedDifference, *, scale: float = 100, unit: str = "points", of: str = "pairs of runs"
) -> str:
    """The interval in brackets with its source; nothing if there is none. `of`: what `n` counts."""
    sources = {
        "pairs": f"{difference['n']} {of}",
        "seeds": "noise estimated from repeated seeds",
        "residual": "noise estimated from residuals",
    }
    return _interval_text(difference, scale=scale, unit=unit, source=sources[difference["by"]])


def _interval_text(interval: IntervalRecord, *, scale: float, unit: str, source: str) -> str:
    if interval["low"] is None or interval["high"] is None:
        return ""
    digits = 0 if unit == "images" else 2  # mean epochs of several runs are fractions
    low, high = (_signed(scale * end, digits) for end in (interval["low"], interval["high"]))
    return f" (95 % confidence interval {low} to {high} {unit}, {source})"
