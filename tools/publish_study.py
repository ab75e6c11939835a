"""Publish a study: its files in docs/results, its table and figures in docs/evidence.md.

    python tools/publish_study.py studies/reference
    python tools/publish_study.py studies/severity --partial      # leave out the runs that are not finished

Writes docs/results/NAME (study.toml, summary.md, the figures of the page, and of every run config, environment,
network, history and metrics; runs on the same tree share one tree.json) and the section of docs/evidence.md, if it has
one of that name. All files are read and checked before any is replaced.
"""

import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path

from matplotlib.figure import Figure

from publishing import (
    EVIDENCE,
    REPOSITORY,
    copy_run,
    finished_run,
    refuse_published,
    replaced,
    share_tree,
    with_section,
    write_figure,
)
from treehead.records.study import StudySummary
from treehead.report.study import figures as study_figures
from treehead.report.study.read import StudyRecord
from treehead.report.study.tables import effect_rows
from treehead.runfiles import StudyFolder, write_text
from treehead.study.markdown import answers_markdown, as_markdown, markdown_table, runs_markdown
from treehead.study.summary import summarise_folder
from treehead.types import UserError

LOSS_QUESTIONS = ("accurate", "milder", "severe", "noise")
"""A study of losses shows the answers to questions with one of these words."""
FIGURES = {
    "curves": "Validation accuracy and loss of every run",
    "effects": "What each choice changes, with intervals",
    "mistakes": "Accuracy against the most severe mistakes, by loss and decoder",
}


def publish(root: Path, repository: Path = REPOSITORY, *, partial: bool = False) -> Path:
    """Write everything the module's docstring names; gives the folder of results.

    Raises: UserError: a run of the study is not finished and `partial` is False; no run is finished; the study is
        already published; a file is missing or damaged.
    """
    summary = summarise_folder(root)
    finished = [cell["name"] for cell in summary["cells"] if cell["figures"]]
    waiting = [cell["name"] for cell in summary["cells"] if not cell["figures"]]
    if waiting and not (partial and finished):
        raise UserError(
            f"{root} has runs that are not finished: {', '.join(waiting)}; `treehead study {root}` continues them"
        )
    name = summary["name"]
    source, target = StudyFolder(root), repository / "docs" / "results" / name
    refuse_published(root, target)
    evidence = repository / EVIDENCE.relative_to(REPOSITORY)
    page = evidence.read_text(encoding="utf-8")
    with replaced(target) as (folder,):
        results = StudyFolder(folder)
        shutil.copyfile(source.study, results.study)
        for run in finished:
            copy_run(source.run(run).root, results.run(run).root)
        share_tree(results.runs)
        summary = summarise_folder(folder)
        write_text(results.summary_text, as_markdown(summary))
        drawn = figures(folder, summary) if has_section(page, name) else {}
        for figure_name, figure in drawn.items():
            write_figure(folder / f"{figure_name}.png", figure)
        section = study_section(summary, f"results/{name}")
    write_text(evidence, with_section(page, f"study:{name}", section))
    return target


def has_section(page: str, name: str) -> bool:
    """Whether the page shows this study. Figures of other studies are not kept."""
    return f"<!-- study:{name}:begin -->" in page


def figures(folder: Path, summary: StudySummary) -> dict[str, Figure]:
    """The figures that the page shows, by name, from the files of the published study."""
    names = [cell["name"] for cell in summary["cells"] if cell["figures"]]
    runs = {name: finished_run(StudyFolder(folder).run(name).root) for name in names}
    record, leaf = StudyRecord(summary, runs, {}), summary["levels"][0]
    if is_of_losses(summary):
        return {"mistakes": study_figures.mistakes(summary["mistakes"], leaf)}
    drawn = {"curves": study_figures.curves(runs, {name: record.label(name) for name in runs}, leaf)}
    if rows := effect_rows(record):
        drawn["effects"] = study_figures.effects(rows, leaf)
    return drawn


def is_of_losses(summary: StudySummary) -> bool:
    """Whether the study compares losses: then its page shows mistakes, not accuracies alone."""
    return "loss" in summary["axes"]


def study_section(summary: StudySummary, link: str) -> str:
    """The text of the page, from the summary alone. `link` leads from the page to the study's files."""
    lines = _mistakes(summary) if is_of_losses(summary) else _runs(summary)
    shown = ("mistakes",) if is_of_losses(summary) else ("curves", "effects") if summary["effects"] else ("curves",)
    finished = sum(cell["figures"] is not None for cell in summary["cells"])
    runs = f"{finished}" if finished == len(summary["cells"]) else f"{finished} of {len(summary['cells'])}"
    return "\n".join(
        [
            f"`treehead study docs/{link}/study.toml`: {runs} runs, last epoch, one view of each test image.",
            "",
            *lines,
            "",
            *(f"![{FIGURES[name]}]({link}/{name}.png)\n" for name in shown),
            f"Config, history and metrics of every run are in `docs/{link}/runs`; all tables are in the "
            f"[summary]({link}/summary.md). `treehead report docs/{link}` draws the study's report from these files.",
        ]
    )


def _runs(summary: StudySummary) -> list[str]:
    return [*runs_markdown(summary), "", *answers_markdown(summary["answers"])]


def _mistakes(summary: StudySummary) -> list[str]:
    """Every choice under the decoder `independent`, and the first choice under every decoder."""
    rows, table = summary["mistakes"], summary["mistakes_table"]
    lines = [
        line
        for row, line in zip(rows, table["lines"], strict=True)
        if row["decode"] == "independent" or row["at"] == rows[0]["at"]
    ]
    answers = [
        answer
        for answer in summary["answers"]
        if any(word in answer["question"] for word in LOSS_QUESTIONS) and "one pair" not in answer["text"]
    ]
    return [*markdown_table(table["heads"], lines), "", *answers_markdown(answers)]


if __name__ == "__main__":
    parser = ArgumentParser(description="Publish a study.")
    parser.add_argument("study", type=Path)
    parser.add_argument("--partial", action="store_true", help="leave out the runs that are not finished")
    arguments = parser.parse_args()
    try:
        print(publish(arguments.study, partial=arguments.partial))
    except UserError as error:
        sys.exit(f"publish_study: {error}")
