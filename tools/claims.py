"""The numbers that README and docs state in sentences, computed from the files of docs/results or named with a source.

A page may state a percentage, a difference in points or an interval only if `facts` computes it or `EXTERNAL` has it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from publishing import RESULTS
from treehead.report.run.read import RunRecord, read_run
from treehead.study.summary import summarise_folder

EXTERNAL = {
    "72.5": "the document that this project starts from: Adam, ReLU",
    "70.8": "the same: SGD, Leaky ReLU",
    "82.03": "Yun et al. 2019, arXiv:1905.04899",
    "70.67": "attempts: the first published run, in the history of the repository at commit c54cce4",
    "72.56": "evidence: a cell of the reference study before SAM, in the history at commit 81eec89",
    "91.3": "attempts: training images of small-images-first",
    "94.9": "attempts: training images of plain-steps",
    "93.1": "attempts: training images of the published run; the snippet on that page computes it",
    "0.6": "attempts: self-distillation, code not kept",
    "0.2": "attempts: a larger radius, code not kept",
    "1.1": "attempts: maximum of every feature map, code not kept",
    "72.89": "attempts: heads added along the path, code not kept",
    "73.55": "the same",
    "0.3": "explanation/severity: the aim, within so many points of accuracy",
}
"""Numbers that no file of docs/results has, with their source."""
LOSS_PAGES = ("severity.md", "milder-mistakes.md")
"""The pages that report the study of losses and decoders."""

_NUMBER = r"[-+−]?\d[\d,]*\.\d+"
_CHAIN = re.compile(rf"{_NUMBER}(?:(?: / |,? to |,? and ){_NUMBER})*(?=\s+(?:%|points))")
_INTERVAL = re.compile(r"[-+−]\d[\d,.]* to [-+−]\d[\d,.]*\d")
_CHANGE = re.compile(r"(?<=from )\d\.\d+ to \d\.\d+")
_COUNT = re.compile(r"(?<![-+\d.,])\d+(?=\s+(?:more|fewer)\s+(?:mistakes|of severity))|(?<=\()\d+(?= images,)")


def stated(page: str) -> Iterator[tuple[str, int]]:
    """Every number of the page that needs a source, and its place: with a decimal point before % or points, the ends of
    an interval, what something falls or rises from and to, and how many mistakes are more or fewer."""
    for pattern in (_CHAIN, _INTERVAL, _CHANGE, _COUNT):
        for match in pattern.finditer(page):
            for number in re.findall(r"[-+−]?\d[\d,]*(?:\.\d+)?", match[0]):
                yield number.replace("−", "-"), match.start()


def unknown(page: str, known: Set[str]) -> list[tuple[str, str]]:
    """The numbers that have no source, each with the text around it."""
    return [
        (number, " ".join(page[max(0, place - 40) : place + 50].split()))
        for number, place in stated(page)
        if number not in known and number not in EXTERNAL
    ]


def sentences() -> list[str]:
    """Texts that the pages must have, one page at least."""
    seeds, fast = _seeds(), read_run(RESULTS / "attempts" / "small-images-first")
    fine = [accuracy(run, "fine") for run in seeds]
    means = [np.mean([accuracy(run, level) for run in seeds]) for level in seeds[0].levels]
    quickest = min(run.environment["seconds"] or math.inf for run in seeds)
    texts = [
        f"{min(fine):.2f} to {max(fine):.2f} %",
        f"{np.mean(fine):.2f} %",
        f"{' / '.join(f'{mean:.1f}' for mean in means)} %",
        f"{' / '.join(f'{accuracy(fast, level):.2f}' for level in fast.levels)} %",
        f"{quickest:.0f} seconds",
        f"{(fast.environment['seconds'] or 0) / 60:.0f} minutes",
    ]
    for run in _steps():
        curve, loss = _curve(run), run.history[-1]["validation"]["losses"]["fine"]
        texts.append(f"| `{run.name}` | {curve[-1]:.2f} % | {np.mean(curve[-5:]):.2f} % | {loss:.3f} |")
    return texts


def recipe_sentences() -> dict[str, str]:
    """What the docstrings of recipes say, by recipe: the accuracies at every level."""
    seeds, fast = _seeds(), read_run(RESULTS / "attempts" / "small-images-first")
    means = [f"{level} {np.mean([accuracy(run, level) for run in seeds]):.1f}" for level in seeds[0].levels]
    return {
        "cifar100": f"{', '.join(means)} %",
        "cifar100_fast": f"{', '.join(f'{level} {accuracy(fast, level):.2f}' for level in fast.levels)} %",
    }


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers that sentences may state: of accuracy on most pages, of the study of losses on its own pages."""

    accuracy: frozenset[str]
    losses: frozenset[str]

    def of(self, page: Path) -> frozenset[str]:
        """Those of one page."""
        return self.losses if page.name in LOSS_PAGES else self.accuracy


def facts() -> Facts:
    """Every number that a sentence may state."""
    losses = frozenset(_of_losses(summarise_folder(RESULTS / "severity")))
    return Facts(frozenset((*_of_seeds(), *_of_attempts(), *_of_sprint(), *_of_posterior())), losses)


def accuracy(run: RunRecord, level: str) -> float:
    """In percent, on the test images."""
    assert run.metrics is not None
    return 100 * run.metrics["accuracy"][level]


def _seeds() -> list[RunRecord]:
    return [read_run(RESULTS / "seeds" / "runs" / f"seed{seed}") for seed in range(4)]


def _steps() -> list[RunRecord]:
    return [read_run(path.parent) for path in sorted((RESULTS / "steps" / "runs").glob("*/metrics.json"))]


def _curve(run: RunRecord) -> list[float]:
    """Fine validation accuracy, in percent."""
    return [100 * record["validation"]["accuracy"]["fine"] for record in run.history]


def _of_seeds() -> Iterator[str]:
    runs = [*_seeds(), read_run(RESULTS / "cifar100")]
    for level in runs[0].levels:
        values = [accuracy(run, level) for run in runs[:4]]
        yield from (f"{np.mean(values):.1f}", f"{np.mean(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}")
        yield f"{accuracy(runs[4], level):.2f}"


def _of_sprint() -> Iterator[str]:
    """Accuracy of the heads after the last epoch, on validation or test images as the run's name says."""
    for path in sorted((RESULTS / "sprint" / "runs").glob("*/history.jsonl")):
        last = read_run(path.parent).history[-1]["validation"]["accuracy"]
        yield from (f"{100 * share:.2f}" for share in last.values())
    seeds = [read_run(path.parent) for path in sorted((RESULTS / "sprint" / "runs").glob("seed*/metrics.json"))]
    for level in seeds[0].levels:
        mean = np.mean([accuracy(run, level) for run in seeds])
        yield from (f"{mean:.2f}", f"{mean:.1f}")


def _of_posterior() -> Iterator[str]:
    """The published run's answers from the posterior and by its heads alone, its calibration and its guarantees."""
    metrics = read_run(RESULTS / "cifar100").metrics
    assert metrics is not None
    heads, calibration = metrics["decoders"]["independent"], metrics["calibration"]
    for level in metrics["levels"]:
        yield from (f"{100 * figures['accuracy'][level]:.2f}" for figures in (metrics, heads))
        for errors in (calibration["before"], calibration["after"]):
            yield f"{100 * errors['calibration_error'][level]:.1f}"
            yield f"{errors['loss'][level]:.3f}"
    yield from (f"{figures['hd']['5']:.2f}" for figures in (metrics, heads))
    yield f"{100 * heads['tree_inconsistency']:.2f}"
    for bound in metrics["guarantees"]["risk_control"]:
        yield from (f"{100 * value:.2f}" for value in (bound["error"], bound["low"], bound["high"]))
    for one in metrics["guarantees"]["sets"]:
        yield f"{100 * one['coverage']:.1f}"


def _of_attempts() -> Iterator[str]:
    """Accuracies of the attempts, the differences that their page states, and how the recipe was chosen."""
    runs = {path.parent.name: read_run(path.parent) for path in (RESULTS / "attempts").glob("*/metrics.json")}
    for run in runs.values():
        yield from (f"{accuracy(run, level):.2f}" for level in run.levels)
    first = runs["small-images-first"]
    yield f"{accuracy(runs['mixed-to-the-end'], 'fine') - accuracy(runs['plain-steps'], 'fine'):.1f}"
    for level in ("superclass", "group"):
        yield f"{accuracy(first, level) - accuracy(runs['batches-of-128'], level):.1f}"
    share = accuracy(runs["plain-steps"], "fine") / 100
    error = math.sqrt(share * (1 - share) / 10_000)
    yield from (f"{100 * error:.2f}", f"{100 * math.sqrt(2) * error:.2f}")  # of one run, of the difference of two
    for run in _steps():
        yield from (f"{_curve(run)[-1]:.2f}", f"{np.mean(_curve(run)[-5:]):.2f}")
    yield f"{_curve(read_run(RESULTS / 'reference' / 'runs' / 'adam-relu-split80-20'))[-1]:.2f}"


def _of_losses(summary: Mapping[str, Any]) -> Iterator[str]:
    """Every choice and decoder against cross-entropy: percentages, points, images and intervals."""
    rows: Sequence[Mapping[str, Any]] = summary["mistakes"]
    first = rows[0]["figures"]
    yield f"{100 * first['accuracy']['mean']:.1f}"
    for row in rows:
        yield f"{100 * row['figures']['calibration_error']['mean']:.1f}"
        yield f"{row['figures']['hd.5']['mean']:.2f}"
        if row["against"] is None:
            continue
        severe, correct = row["against"]["severity.3"], row["against"]["accuracy"]
        change = 100 * severe["mean"] / first["severity.3"]["mean"]
        yield from (f"{change:+.1f}", f"{abs(change):.1f}")
        yield from (f"{100 * correct['mean']:+.2f}", f"{100 * abs(correct['mean']):.2f}")
        yield from (f"{10_000 * abs(row['against'][f'severity.{height}']['mean']):.0f}" for height in (1, 2, 3))
        if severe["low"] is not None:
            yield from (f"{10_000 * severe['low']:+.0f}", f"{10_000 * severe['high']:+.0f}")
            yield from (f"{100 * correct['low']:+.2f}", f"{100 * correct['high']:+.2f}")


def pages(repository: Path) -> list[Path]:
    """The pages whose sentences are checked."""
    generated = {*RESULTS.rglob("summary.md"), RESULTS / "scratch" / "README.md"}
    docs = sorted((repository / "docs").rglob("*.md"))
    return [repository / "README.md", *(path for path in docs if path not in generated and "_build" not in path.parts)]
