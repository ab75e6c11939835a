"""A study's figures as sentences, under the questions they answer; each says whether it is more than noise."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


def answers(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The sentences in the order a reader wants them, each with its question; those of one question stand together."""
    if not summary["levels"]:
        return [{"question": "Nothing to say yet", "text": "No run is finished yet."}]
    return [{"question": question, "text": text} for question, text in _answers(summary)]


def _answers(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    leaf, height = summary["levels"][0], len(summary["levels"])
    accuracy, curve = f"points of {leaf} test accuracy", "points of validation accuracy, averaged over all epochs"
    severe = f"mistakes of severity {height} in 10,000 images"
    for asked in (
        _Asked("more accurate", f"accuracy.{leaf}", lambda effect: _accuracy(effect, leaf), 100, 2, accuracy),
        _Asked("faster", "mean_validation", lambda effect: _speed(summary, effect), 100, 2, curve),
        _Asked("milder in its mistakes", "severe", lambda effect: _severe(summary, effect), 10_000, 0, severe),
    ):
        yield from _compared(summary, asked)
    for gap in summary["interactions"]:
        if gap["measure"] == f"accuracy.{leaf}":
            yield f"Does the effect of {gap['axes'][0]} depend on {gap['axes'][1]}?", _interaction(gap, leaf)
    for extra in summary["extras"]:
        if extra["measure"] == f"accuracy.{leaf}":
            yield f"What does {extra['extra']} change?", _extra(extra, leaf)
    if mildest := _mildest(summary, leaf):
        yield "Which makes the fewest severe mistakes at no loss of accuracy?", mildest
    if best := _best_by_validation(summary, leaf):
        yield "Which does best on the validation images?", best
    if summary["classes"]:
        yield f"Is any {leaf} class much worse than others?", _classes(summary, leaf)
    yield "How large is the noise?", _noise(summary, leaf)
    if several := _machines(summary):
        yield "How long does a run take?", several


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of two choices, the effect that tells, and how: in a sentence, or as a bare figure."""

    what: str
    measure: str
    sentence: Callable[[Mapping[str, Any]], str]
    scale: float
    digits: int
    unit: str


def _compared(summary: Mapping[str, Any], asked: _Asked) -> Iterator[tuple[str, str]]:
    """A question per axis, a sentence per two choices; those with one pair of runs, if several, share the last one."""
    effects = [effect for effect in summary["effects"] if effect["measure"] == asked.measure]
    for axis in dict.fromkeys(effect["axis"] for effect in effects):
        here = [effect for effect in effects if effect["axis"] == axis]
        if len(here) == 1:
            yield f"{axis}: is {here[0]['first']} or {here[0]['second']} {asked.what}?", asked.sentence(here[0])
            continue
        single = [effect for effect in here if effect["is_noise"] is None]
        alone = single if len(single) > 1 else []
        told = [asked.sentence(effect) for effect in here if effect not in alone]
        told += [_alone(first, alone, asked) for first in dict.fromkeys(effect["first"] for effect in alone)]
        yield from ((f"{axis}: which is {asked.what}?", text) for text in told)


def _alone(first: str, effects: list[Mapping[str, Any]], asked: _Asked) -> str:
    """The effects against `first`, as bare figures."""
    figures = [
        f"{effect['second']} {asked.scale * effect['mean']:+.{asked.digits}f}"
        for effect in effects
        if effect["first"] == first
    ]
    return (
        f"Against {first}, by one pair of runs each, which cannot be told from noise: {', '.join(figures)} "
        f"{asked.unit}; repeat them with --seeds 3."
    )


def _accuracy(effect: Mapping[str, Any], leaf: str) -> str:
    first, second = effect["first"], effect["second"]
    if effect["is_noise"] is None:
        return (
            f"{second} has {_points(effect['mean'])} of {leaf} test accuracy against {first} in the one pair of runs "
            f"there is, which cannot be told from noise; repeat it with --seeds 3."
        )
    if effect["is_noise"]:
        return (
            f"{first} and {second} cannot be told apart in {leaf} test accuracy: {_points(effect['mean'])} for "
            f"{second}{_interval(effect)} is inside the noise."
        )
    better, worse = (second, first) if effect["mean"] > 0 else (first, second)
    return (
        f"{better} is more accurate than {worse}: {_points(effect['mean'])} of {leaf} test accuracy for "
        f"{second}{_interval(effect)}, more than noise."
    )


def _speed(summary: Mapping[str, Any], effect: Mapping[str, Any]) -> str:
    """By the epoch that first reaches a mark, where every pair of runs reaches it; else by the mean of the curve."""
    same = [
        other
        for other in summary["effects"]
        if all(other[key] == effect[key] for key in ("axis", "first", "second")) and other["n"] == effect["n"]
    ]
    by_measure = {other["measure"]: other for other in same}
    first, second = effect["first"], effect["second"]
    for mark in ("70", "60"):
        if found := by_measure.get(f"epochs_to.{mark}"):
            amount = f"{abs(found['mean']):.2f} epochs {'later' if found['mean'] > 0 else 'sooner'} than"
            when = amount if found["mean"] else "in the same epoch as"
            said = f"{second} reaches {mark} % validation accuracy {when} {first}"
            return f"{said}{_interval(found, 1, 'epochs')}: {_verdict(found)}."
    higher = "higher" if effect["mean"] > 0 else "lower"
    return (
        f"Averaged over all epochs, the validation accuracy of {second} is {_points(abs(effect['mean']), sign='')} "
        f"{higher} than that of {first}{_interval(effect)}: {_verdict(effect)}."
    )


def _severe(summary: Mapping[str, Any], effect: Mapping[str, Any]) -> str:
    """By the mistakes of the greatest severity, whose nearest common ancestor is the root."""
    first, second = effect["first"], effect["second"]
    rows = [row for row in summary["cells"] if row["figures"] and row["at"][effect["axis"]] == first]
    usual = float(np.mean([row["figures"]["severe"] for row in rows if row["extra"] is None]))
    amount = f"{10_000 * abs(effect['mean']):.0f} {'more' if effect['mean'] > 0 else 'fewer'}"
    return (
        f"{second} makes {amount} mistakes of severity {len(summary['levels'])} in 10,000 images than {first}, "
        f"{100 * effect['mean'] / usual:+.1f} %{_interval(effect, 10_000, 'images')}: {_verdict(effect)}."
    )


NO_LOSS = 0.003
"""Share of the images by which accuracy may fall and still count as kept."""


def _mildest(summary: Mapping[str, Any], leaf: str) -> str | None:
    """Of the losses under every decoder that have the most seeds, against the first row of the table of mistakes."""
    rows = summary["mistakes"]
    seeds = max((row["runs"] for row in rows), default=0)
    rivals = [row for row in rows[1:] if row["against"] and row["runs"] == seeds]
    if "loss" not in summary["axes"] or not rivals:
        return None
    first, severity = _decoded(rows[0]), len(summary["levels"])
    within = f"within {100 * NO_LOSS:.1f} points of the {leaf} test accuracy of {first}"
    fair = [row for row in rivals if row["against"]["accuracy"]["mean"] >= -NO_LOSS]
    best = min(fair, key=lambda row: row["against"][f"severity.{severity}"]["mean"], default=None)
    if best is None or best["against"][f"severity.{severity}"]["mean"] >= 0:
        return f"None of {len(rivals)} others makes fewer mistakes of severity {severity} and stays {within}."
    change, usual = best["against"][f"severity.{severity}"], rows[0]["figures"][f"severity.{severity}"]["mean"]
    return (
        f"{_decoded(best)} makes {10_000 * -change['mean']:.0f} fewer mistakes of severity {severity} in 10,000 images "
        f"than {first}, {100 * change['mean'] / usual:+.1f} %{_interval({**change, 'by': 'pairs'}, 10_000, 'images')}, "
        f"at {_points(best['against']['accuracy']['mean'])} of accuracy: the fewest of the {len(fair)} of "
        f"{len(rivals)} others that stay {within}."
    )


def _decoded(row: Mapping[str, Any]) -> str:
    return f"{row['choice']} decoded by {row['decode']}"


def _interaction(gap: Mapping[str, Any], leaf: str) -> str:
    (_, second), (_, two) = gap["choices"]
    return (
        f"With {two}, the gain of {second} in {leaf} test accuracy changes by {_points(gap['mean'])}"
        f"{_interval(gap)}: {_verdict(gap)}."
    )


def _extra(extra: Mapping[str, Any], leaf: str) -> str:
    runs = "the run" if extra["n"] == 1 else f"the {extra['n']} runs"
    return (
        f"{extra['extra']}: {_points(extra['mean'])} of {leaf} test accuracy against {runs} it departs from"
        f"{_interval(extra)}: {_verdict(extra)}."
    )


def _verdict(judged: Mapping[str, Any]) -> str:
    return {None: "one pair, which cannot be told from noise", True: "inside the noise", False: "more than noise"}[
        judged["is_noise"]
    ]


def _best_by_validation(summary: Mapping[str, Any], leaf: str) -> str | None:
    """Only where validation images are not the test images."""
    rows = [row for row in summary["cells"] if row["figures"]]
    if "official" in summary["splits"] or len(summary["splits"]) > 1 or len(rows) < 2:
        return None
    best = sorted(rows, key=lambda row: -row["figures"]["validation_accuracy"])[:3]
    said = ", ".join(f"{row['name']} ({100 * row['figures']['validation_accuracy']:.2f} %)" for row in best)
    return f"At the last epoch, by {leaf} accuracy on the validation images, which are no test images: {said}."


def _classes(summary: Mapping[str, Any], leaf: str) -> str:
    """Outliers by Tukey's fence: below the lower quartile by more than 1.5 times the distance of the quartiles.

    Source: Tukey 1977, Exploratory Data Analysis, section 2D.
    """
    spread = summary["classes"]
    shares = np.array(spread["accuracy"])
    low, high = np.percentile(shares, [25, 75])
    worst = int(shares.argmin())
    names = [name.replace("_", " ") for name in spread["names"] or (f"class {i}" for i in range(len(shares)))]
    outside = [names[i] for i in np.argsort(shares) if shares[i] < low - 1.5 * (high - low)]
    over = "In the one run" if spread["runs"] == 1 else f"Over {spread['runs']} runs"
    verdict = f"far below the others are {', '.join(outside)}" if outside else "none lies far below the others"
    return (
        f"{over}, {names[worst]} is recognised worst, {100 * shares[worst]:.1f} % "
        f"against a mean of {100 * shares.mean():.1f} %; half of the classes lie between {100 * low:.1f} and "
        f"{100 * high:.1f} %, and {verdict} (Tukey's fence)."
    )


def _noise(summary: Mapping[str, Any], leaf: str) -> str:
    noise = summary["noise"].get(f"accuracy.{leaf}")
    if noise is None:
        return f"The runs do not tell how much {leaf} test accuracy varies by chance; repeat them with --seeds 3."
    source = "between seeds" if noise["source"] == "seeds" else "left over by the additive model of the axes"
    degrees = f"{noise['degrees']} degree{'s' if noise['degrees'] > 1 else ''} of freedom"
    return (
        f"One run's {leaf} test accuracy has a standard deviation of {100 * noise['deviation']:.2f} points, {source} "
        f"({degrees})."
    )


def _machines(summary: Mapping[str, Any]) -> str | None:
    """Only where the finished runs' minutes are of several machines."""
    runs = Counter(row["machine"] for row in summary["cells"] if row["figures"])
    if len(runs) < 2:
        return None
    told = " and ".join(f"{number} on {machine}" for machine, number in runs.most_common())
    return f"The minutes are of {len(runs)} machines, {told}, and compare within one alone."


def _points(share: float, *, sign: str = "+") -> str:
    return f"{100 * share:{sign}.2f} points"


def _interval(judged: Mapping[str, Any], scale: float = 100, unit: str = "points") -> str:
    if judged["low"] is None:
        return ""
    by = {"pairs": f"{judged['n']} pairs of runs", "seeds": "noise between seeds", "residual": "residual noise"}
    digits = 0 if unit == "images" else 2  # epochs too: those of a few runs differ by halves and quarters
    low, high = (f"{scale * judged[end]:+.{digits}f}" for end in ("low", "high"))
    return f" (95 % interval {low} to {high} {unit}, {by[judged['by']]})"
