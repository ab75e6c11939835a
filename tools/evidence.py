"""Recompute the published figures from the committed files, with NumPy alone and none of treehead's code.

    python tools/evidence.py        # a line per group of figures; exit code 1 and the differences if there are any

Two sources, two kinds of check:

- The headline run keeps the logits of all 10,000 test images, so every figure of its metrics.json is computed anew.
- Of the runs of studies only the figures per run are kept. Means, intervals, differences and the verdict of every
  sentence and table in docs/evidence.md are computed anew from these.
"""

import json
import math
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "results"
PAGE = REPOSITORY / "docs" / "evidence.md"
BINS = 15
TOLERANCE = 1e-9


def main() -> int:
    problems: list[str] = []
    for name, check in CHECKS.items():
        compared, differences = 0, []
        for difference in check():
            compared += 1
            differences += [difference] if difference else []
        print(f"{name}: {compared} figures recomputed, {len(differences)} differ")
        problems += differences
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


# -- the headline run, from its logits ---------------------------------------------------------------------------------


def headline() -> Iterator[str | None]:
    """Every figure of metrics.json that depends on the test images; None for one that agrees."""
    folder = RESULTS / "cifar100"
    metrics, tree, calibration = (read(folder / f"{name}.json") for name in ("metrics", "tree", "calibration"))
    with np.load(folder / "predictions.npz") as stored:
        logits = [stored[f"logits_{level}"] * float(stored[f"step_{level}"]) for level in tree["levels"]]
        labels = stored["labels"].astype(int)
    up = ancestors(tree)
    heads = [softmax(level) for level in logits]
    score = sum(
        calibration["weights"][name] * level[:, ids]
        for name, level, ids in zip(tree["levels"], logits, up, strict=True)
    )
    leaves = softmax(np.asarray(score))
    nodes = [np.stack([leaves[:, ids == i].sum(axis=1) for i in range(ids.max() + 1)], axis=1) for ids in up]
    expected = np.zeros_like(leaves)
    for ids, level in zip(up, nodes, strict=True):
        expected += 1 - level[:, ids]
    answers = up[:, expected.argmin(axis=1)].T
    yield from per_level(metrics, tree, labels, answers, nodes)
    yield from along_the_tree(metrics, up, labels, answers, ranking=-expected)
    alone = np.stack([level.argmax(axis=1) for level in heads], axis=1)
    yield from along_the_tree(metrics["decoders"]["independent"], up, labels, alone, ranking=heads[0])
    for part, shares in (("before", heads), ("after", nodes)):
        figures = metrics["calibration"][part]
        for i, name in enumerate(tree["levels"]):
            yield same(f"{part} loss {name}", log_loss(labels[:, i], shares[i]), figures["loss"][name])
            found = calibration_error(labels[:, i], shares[i])
            yield same(f"{part} calibration error {name}", found, figures["calibration_error"][name])
    yield from guarantees(metrics["guarantees"], calibration, tree, labels, answers, nodes)


def per_level(metrics: Any, tree: Any, labels: Array, answers: Array, nodes: list[Array]) -> Iterator[str | None]:
    for i, name in enumerate(tree["levels"]):
        truth, shares = labels[:, i], nodes[i]
        five = np.argsort(-shares, axis=1, kind="stable")[:, :5]
        recalls = [float((answers[truth == c, i] == c).mean()) for c in range(shares.shape[1])]
        yield same(f"accuracy {name}", (answers[:, i] == truth).mean(), metrics["accuracy"][name])
        yield same(f"top5 {name}", (five == truth[:, None]).any(axis=1).mean(), metrics["top5"][name])
        yield same(f"loss {name}", log_loss(truth, shares), metrics["loss"][name])
        yield same(f"calibration error {name}", calibration_error(truth, shares), metrics["calibration_error"][name])
        yield same(f"recall {name}", recalls, metrics["recall"][name])


def along_the_tree(figures: Any, up: Array, labels: Array, answers: Array, *, ranking: Array) -> Iterator[str | None]:
    heights = (up[:, :, None] != up[:, None, :]).sum(axis=0)
    severity = heights[labels[:, 0], answers[:, 0]]
    counts = [int((severity == height).sum()) for height in range(len(up) + 1)]
    yield same("severity counts", counts, figures["severity_counts"])
    yield same("mistake severity", severity[severity > 0].mean(), figures["mistake_severity"])
    order = np.argsort(-ranking, axis=1, kind="stable")
    for k, value in figures["hd"].items():
        yield same(f"HD@{k}", heights[labels[:, :1], order[:, : int(k)]].mean(), value)
    yield same("full-path accuracy", (labels == answers).all(axis=1).mean(), figures["full_path_accuracy"])
    contradicts = (answers != up[:, answers[:, 0]].T).any(axis=1)
    yield same("tree inconsistency", contradicts.mean(), figures["tree_inconsistency"])


def guarantees(
    figures: Any, calibration: Any, tree: Any, labels: Array, answers: Array, nodes: list[Array]
) -> Iterator[str | None]:
    rows = np.arange(len(labels))
    confidence = np.stack([level[rows, ids] for level, ids in zip(nodes, answers.T, strict=True)], axis=1)
    for row in figures["risk_control"]:
        threshold = calibration["back_off"][round(1000 * row["max_error"]) - 1]
        reached = confidence >= threshold
        depth = np.where(reached.any(axis=1), reached.argmax(axis=1), len(tree["levels"]))
        wrong = [d < len(tree["levels"]) and answers[n, d] != labels[n, d] for n, d in enumerate(depth)]
        yield same(f"threshold for {row['max_error']}", threshold, row["threshold"])
        yield same(f"errors at {row['max_error']}", np.mean(wrong), row["error"])
        for i, name in enumerate(tree["levels"]):
            yield same(f"answers at {name} for {row['max_error']}", (depth == i).mean(), row["answered"][name])
    for row in figures["sets"]:
        threshold = calibration["sets"][round(1000 * (1 - row["asked"])) - 1]
        inside = nodes[0] >= threshold
        inside[rows, nodes[0].argmax(axis=1)] = True
        yield same(f"coverage for {row['asked']}", inside[rows, labels[:, 0]].mean(), row["coverage"])
        yield same(f"leaves for {row['asked']}", inside.sum(axis=1).mean(), row["leaves"])


def ancestors(tree: Any) -> Array:
    """(L, K): the class of every leaf at every level."""
    rows = [np.arange(len(tree["names"][0]))]
    for parents in tree["parents"]:
        rows.append(np.array(parents)[rows[-1]])
    return np.stack(rows)


def softmax(logits: Array) -> Array:
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


def log_loss(truth: Array, shares: Array) -> float:
    return float(-np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-12)).mean())


def calibration_error(truth: Array, shares: Array) -> float:
    """Expected calibration error over bins of equal width, (low, high]."""
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    total = 0.0
    for low in np.arange(BINS) / BINS:
        inside = (confidence > low) & (confidence <= low + 1 / BINS + (1e-9 if low + 1 / BINS >= 1 else 0))
        total += abs(float((right[inside] - confidence[inside]).sum()))
    return total / len(truth)


# -- studies, from the figures of their runs ---------------------------------------------------------------------------


def seeds() -> Iterator[str | None]:
    """The recipe over four seeds, as README and docs/evidence.md state it."""
    runs = [read(path) for path in sorted((RESULTS / "seeds" / "runs").glob("*/metrics.json"))]
    fine = [100 * run["accuracy"]["fine"] for run in runs]
    means = [100 * float(np.mean([run["accuracy"][level] for run in runs])) for level in runs[0]["levels"]]
    texts = {
        f"{np.mean(fine):.2f} %": ("README.md", "docs/evidence.md"),
        f"{min(fine):.2f} to {max(fine):.2f} %": ("README.md", "docs/evidence.md"),
        f"{' / '.join(f'{mean:.1f}' for mean in means)} %": ("docs/evidence.md",),
    }
    for text, pages in texts.items():
        for page in pages:
            words = " ".join((REPOSITORY / page).read_text(encoding="utf-8").split())
            yield None if text in words else f"{page} does not say {text!r}"


def losses() -> Iterator[str | None]:
    """The table and the sentences of the study of losses."""
    runs = runs_of("severity", "loss")
    table = [line for line in section("study:severity") if line.startswith("| ")][2:]
    first = decoded(runs["cross_entropy"], "independent")
    for line in table:
        choice, decoder, number, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        figures = decoded(runs[choice], decoder)
        yield same(f"runs of {choice}", len(figures), int(number))
        for place, key in enumerate(("severity.0", "severity.1", "severity.2", "severity.3")):
            yield as_text(f"{choice}, {decoder}, {key}", spread([f[key] for f in figures.values()]), cells[place])
        base = [first[seed]["severity.3"] for seed in first.keys() & figures.keys()]
        change = mean_difference(figures, first, "severity.3") / np.mean(base)
        if line is not table[0]:
            yield as_text(f"{choice}, {decoder}, against the first row", f"{100 * change:+.1f} %", cells[4])
        yield as_text(f"{choice}, {decoder}, MS", spread([f["ms"] for f in figures.values()], digits=3), cells[5])
    yield from sentences("study:severity", lambda choice: decoded(runs[choice], "independent"))


def reference() -> Iterator[str | None]:
    """The sentences of the reference study about two choices of one axis, paired by the other axes."""
    cells: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted((RESULTS / "reference" / "runs").glob("*/metrics.json")):
        name = path.parent.name
        if name.endswith(("no-norm", "dropout")):
            continue
        optimizer, activation, split = name.split("-", 2)
        figures = figures_of(read(path), "independent") | epochs_to(path.parent)
        choices = (optimizer, activation, split.removeprefix("split").replace("-", ":"))
        for axis, choice in enumerate(choices):
            others = "/".join(c for i, c in enumerate(choices) if i != axis)
            cells.setdefault(choice, {})[others] = figures
    yield from sentences("study:reference", lambda choice: cells[choice])


Pairs: TypeAlias = Mapping[str, Mapping[str, float]]
NUMBER, INTERVAL = r"[+-]?[\d.]+", r"\(95 % confidence interval (?P<low>\S+) to (?P<high>\S+) "
VERDICT = r", (?P<n>\d+) pairs of runs\): (?P<verdict>not significant|significant)"
ACCURACY = re.compile(
    r"- (?:No significant difference in fine test accuracy between (?P<a>\S+) and (?P<b>\S+)|"
    r"(?P<c>\S+) is significantly more accurate than (?P<d>\S+)): "
    rf"(?P<mean>{NUMBER}) points (?:of fine test accuracy )?for (?P<of>\S+) {INTERVAL}points, (?P<n>\d+) pairs"
)
SEVERE = re.compile(
    r"- (?P<of>\S+) makes (?P<count>\d+) (?P<more>more|fewer) mistakes of severity 3 in 10,000 images than "
    rf"(?P<base>\S+), (?P<share>{NUMBER}) % {INTERVAL}images{VERDICT}"
)
LATER = re.compile(
    rf"- (?P<of>\S+) reaches 70 % validation accuracy (?P<mean>{NUMBER}) epochs (?P<sign>later|earlier) than "
    rf"(?P<base>\S+) {INTERVAL}epochs{VERDICT}"
)


def sentences(marker: str, of: Any) -> Iterator[str | None]:
    """Mean, interval and verdict of every sentence of a section that compares two choices."""
    for line in section(marker):
        if match := ACCURACY.match(line):
            other = match["of"]
            base = next(name for name in (match["a"], match["b"], match["c"], match["d"]) if name not in (None, other))
            mean, low, high, n = paired(of(other), of(base), "accuracy", scale=100)
            told = (match["mean"], match["low"], match["high"], match["n"])
            yield as_text(line, "/".join((f"{mean:+.2f}", f"{low:+.2f}", f"{high:+.2f}", str(n))), "/".join(told))
            significant = not low <= 0 <= high
            yield same(f"verdict of {line}", significant, match["c"] is not None)
        elif match := SEVERE.match(line):
            mean, low, high, n = paired(of(match["of"]), of(match["base"]), "severity.3", scale=10_000)
            base = 10_000 * float(np.mean([f["severity.3"] for f in of(match["base"]).values()]))
            found = (f"{abs(mean):.0f}", "more" if mean > 0 else "fewer", f"{100 * mean / base:+.1f}")
            interval = (f"{low:+.0f}", f"{high:+.0f}", str(n))
            told = (match["count"], match["more"], match["share"], match["low"], match["high"], match["n"])
            yield as_text(line, "/".join((*found, *interval)), "/".join(told))
            yield same(f"verdict of {line}", not low <= 0 <= high, match["verdict"] == "significant")
        elif match := LATER.match(line):
            mean, low, high, n = paired(of(match["of"]), of(match["base"]), "epochs_to_70", scale=1)
            found = (f"{abs(mean):.2f}", "later" if mean > 0 else "earlier", f"{low:+.2f}", f"{high:+.2f}", str(n))
            told = (match["mean"], match["sign"], match["low"], match["high"], match["n"])
            yield as_text(line, "/".join(found), "/".join(told))
            yield same(f"verdict of {line}", not low <= 0 <= high, match["verdict"] == "significant")


def runs_of(study: str, axis: str) -> dict[str, dict[str, Any]]:
    """choice -> seed -> metrics, from the names of the runs: seed0-cross_entropy."""
    runs: dict[str, dict[str, Any]] = {}
    for path in sorted((RESULTS / study / "runs").glob("*/metrics.json")):
        seed, choice = path.parent.name.split("-", 1)
        config = tomllib.loads((path.parent / "config.toml").read_text(encoding="utf-8"))
        assert f"seed{config['seed']}" == seed, path
        assert config[axis]["kind"] == re.sub(r"-[\d.]+$", "", choice), path
        runs.setdefault(choice, {})[seed] = read(path)
    return runs


def decoded(by_seed: Mapping[str, Any], decoder: str) -> dict[str, dict[str, float]]:
    return {seed: figures_of(metrics, decoder) for seed, metrics in by_seed.items()}


def figures_of(metrics: Any, decoder: str) -> dict[str, float]:
    row = metrics["decoders"][decoder]
    counts = np.array(row["severity_counts"])
    shares = {f"severity.{height}": float(count) / counts.sum() for height, count in enumerate(counts)}
    severity = float(counts @ np.arange(len(counts)) / counts[1:].sum())
    return {"accuracy": row["accuracy"]["fine"], "ms": severity, **shares}


def epochs_to(run: Path) -> dict[str, float]:
    """The first epoch with at least 70 % fine validation accuracy."""
    history = [json.loads(line) for line in (run / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    reached = (record["epoch"] for record in history if record["validation"]["accuracy"]["fine"] >= 0.7)
    return {"epochs_to_70": float(next(reached, math.nan))}


def paired(second: Pairs, first: Pairs, key: str, *, scale: float) -> tuple[float, float, float, int]:
    """Mean difference over the runs that both have, and its 95 % interval by Student's t."""
    shared = sorted(second.keys() & first.keys())
    differences = scale * np.array([second[name][key] - first[name][key] for name in shared])
    half = t_quantile(len(shared) - 1) * differences.std(ddof=1) / math.sqrt(len(shared))
    mean = float(differences.mean())
    return mean, mean - half, mean + half, len(shared)


def mean_difference(second: Pairs, first: Pairs, key: str) -> float:
    shared = second.keys() & first.keys()
    return float(np.mean([second[name][key] - first[name][key] for name in shared]))


def spread(values: Sequence[float], *, digits: int | None = None) -> str:
    """Mean and half the width of its interval; counts are of 10,000 images."""
    numbers = np.array(values) * (1 if digits else 10_000)
    mean = f"{numbers.mean():,.{digits or 0}f}"
    if len(values) == 1:
        return mean
    half = t_quantile(len(values) - 1) * numbers.std(ddof=1) / math.sqrt(len(values))
    return f"{mean} ± {half:,.{digits or 0}f}"


@cache
def t_quantile(degrees: int, probability: float = 0.975) -> float:
    """Quantile of Student's t distribution: its density integrated numerically, then bisected."""
    constant = math.gamma((degrees + 1) / 2) / (math.sqrt(degrees * math.pi) * math.gamma(degrees / 2))
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        angles = np.linspace(0, math.atan(middle / math.sqrt(degrees)), 20_001)  # t = sqrt(degrees) * tan(angle)
        area = constant * math.sqrt(degrees) * float(np.trapezoid(np.cos(angles) ** (degrees - 1), angles))
        low, high = (middle, high) if 0.5 + area < probability else (low, middle)
    return (low + high) / 2


def section(name: str) -> list[str]:
    page = PAGE.read_text(encoding="utf-8")
    return page.split(f"<!-- {name}:begin -->")[1].split(f"<!-- {name}:end -->")[0].splitlines()


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def same(name: str, found: Any, told: Any) -> str | None:
    agree = np.allclose(np.asarray(found, float), np.asarray(told, float), rtol=TOLERANCE, atol=TOLERANCE)
    return None if agree else f"{name}: {found} from the files, {told} published"


def as_text(name: str, found: str, told: str) -> str | None:
    return None if found == told else f"{name}: {found!r} from the files, {told!r} published"


CHECKS = {
    "headline run, from 10,000 logits": headline,
    "four seeds": seeds,
    "losses and decoders": losses,
    "optimizer, activation and split": reference,
}

if __name__ == "__main__":
    sys.exit(main())
