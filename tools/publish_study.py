"""Publish a study: its files here, its table and figures into the README.

    python tools/publish_study.py studies/reference
    python tools/publish_study.py studies/severity --partial      # leave out the runs that are not finished
    python tools/publish_study.py studies/rates --no-page         # and the page, megabytes that a command makes

Writes docs/results/NAME (study.toml, every run's config, history, metrics, tree, network and environment, the summary,
a page and figures) and the README's section between its markers, where it has one of that name. `treehead report
docs/results/NAME` makes summary, page and figures again from those files.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Collection
from pathlib import Path

from filing import copied, emptied, rewritten
from treehead.records.study import StudySummary
from treehead.report import write_study_report
from treehead.runfiles import StudyFolder, write_text
from treehead.study.markdown import answers_markdown, markdown_table, runs_markdown
from treehead.study.summary import write_summary
from treehead.types import UserError

REPOSITORY = Path(__file__).parents[1]
OF_MISTAKES = ("accurate", "milder", "severe", "noise")
"""The questions of a study of losses that the README answers have one of these words; one pair of runs answers none."""
FIGURES = {
    "curves": "Validation accuracy and loss of every run",
    "effects": "What each choice changes, with intervals",
    "mistakes": "Accuracy against the most severe mistakes, by loss and decoder",
}


def publish(root: Path, repository: Path = REPOSITORY, *, partial: bool = False, page: bool = True) -> Path:
    """Copy, sum up, draw and fill in; gives the folder of results.

    Raises: UserError: a run of the study is not finished, and `partial` was not asked for; none is; it is the
        published one itself.
    """
    summary = write_summary(root)
    finished = [cell["name"] for cell in summary["cells"] if cell["figures"]]
    waiting = [cell["name"] for cell in summary["cells"] if not cell["figures"]]
    if waiting and not (partial and finished):
        raise UserError(f"of {root}, {', '.join(waiting)} is not finished; treehead study {root} goes on")
    source, results = StudyFolder(root), StudyFolder(repository / "docs" / "results" / summary["name"])
    emptied(results.root, root)
    for name in finished:
        copied(source.run(name).root, results.run(name).root)
    copied(root, results.root, (source.study.name,))
    write_summary(results.root)
    write_study_report(results.root)
    if not page:
        results.report.unlink()
    readme = repository / "README.md"
    write_text(readme, filled(readme.read_text(encoding="utf-8"), results.root, repository))
    return results.root


def filled(readme: str, results: Path, repository: Path = REPOSITORY) -> str:
    """The README with the study's section between its markers written anew; as it is, where it has none."""
    summary = json.loads((results / "summary.json").read_text())
    files = {path.relative_to(results).as_posix() for path in results.rglob("*")}
    written = section(summary, results.relative_to(repository).as_posix(), files)
    return rewritten(readme, f"study:{results.name}", written)


def section(summary: StudySummary, where: str, files: Collection[str]) -> str:
    """The study's table and answers, from its summary alone, and those of its `files` that are there to be shown.

    Of a study of losses, those of its mistakes.
    """
    told = _mistakes(summary) if "loss" in summary["axes"] else _runs(summary)
    wanted = ("mistakes",) if "loss" in summary["axes"] else ("curves", "effects")
    shown = [name for name in wanted if f"figures/{name}.png" in files]
    page = f"[page]({where}/report.html) and " if "report.html" in files else ""
    finished = sum(cell["figures"] is not None for cell in summary["cells"])
    of = "" if finished == len(summary["cells"]) else f" of {len(summary['cells'])}"
    return "\n".join(
        [
            f"`treehead study {where}/study.toml`: {finished}{of} runs, last epoch, one view, all test images, which "
            "chose nothing.",
            "",
            *told,
            "",
            *(f"![{FIGURES[name]}]({where}/figures/{name}.png)\n" for name in shown),
            f"Every run's config, history and metrics are in `{where}/runs`, their {page}[tables]({where}/summary.md) "
            f"beside them. `treehead report {where}` makes tables, answers, page and "
            f"figures again from these files, and `python tools/publish_study.py STUDY` wrote this section.",
        ]
    )


def _runs(summary: StudySummary) -> list[str]:
    return [*runs_markdown(summary), "", *answers_markdown(summary["answers"])]


def _mistakes(summary: StudySummary) -> list[str]:
    """Every choice with the heads answering for themselves, and the first choice under every decoder."""
    rows, table = summary["mistakes"], summary["mistakes_table"]
    shown = [
        line
        for row, line in zip(rows, table["lines"], strict=True)
        if row["decode"] == "independent" or row["at"] == rows[0]["at"]
    ]
    told = [
        answer
        for answer in summary["answers"]
        if any(word in answer["question"] for word in OF_MISTAKES) and "one pair" not in answer["text"]
    ]
    return [*markdown_table(table["heads"], shown), "", *answers_markdown(told)]


if __name__ == "__main__":
    parser = ArgumentParser(description="Publish a study.")
    parser.add_argument("study", type=Path)
    parser.add_argument("--partial", action="store_true", help="leave out the runs that are not finished")
    parser.add_argument("--no-page", action="store_true", help="leave out report.html, which treehead report makes")
    words = parser.parse_args()
    try:
        print(publish(words.study, partial=words.partial, page=not words.no_page))
    except UserError as error:
        sys.exit(f"publish_study: {error}")
