"""Publish a finished study: its files here, its table and figures into the README.

    python docs/results/publish_study.py studies/reference

Writes docs/results/NAME (study.toml, every run's config, history, metrics, tree, network and environment, the summary,
a page and figures) and the README's section between its markers. `treehead report docs/results/NAME` makes summary,
page and figures again from those files.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treehead.experiment.summary import as_markdown, write_summary
from treehead.report import write_study_report
from treehead.runfiles import StudyFolder, write_text
from treehead.types import UserError

REPOSITORY = Path(__file__).parents[2]
BEGIN, END = "<!-- study:begin -->", "<!-- study:end -->"
PUBLISHED = ("config.toml", "environment.json", "tree.json", "network.json", "history.jsonl", "metrics.json")


def publish(root: Path, repository: Path = REPOSITORY) -> Path:
    """Copy, sum up, draw and fill in; gives the folder of results.

    Raises: UserError: a run of the study is not finished.
    """
    summary = write_summary(root)
    if open_cells := [cell["name"] for cell in summary["cells"] if not cell["figures"]]:
        raise UserError(f"{open_cells[0]} is not finished, nor are {len(open_cells) - 1} more; treehead study {root}")
    source, results = StudyFolder(root), StudyFolder(repository / "docs" / "results" / summary["name"])
    shutil.rmtree(results.root, ignore_errors=True)
    for cell in summary["cells"]:
        run = results.run(cell["name"]).root
        run.mkdir(parents=True)
        for file in PUBLISHED:
            shutil.copyfile(source.run(cell["name"]).root / file, run / file)
    shutil.copyfile(source.study, results.study)
    write_summary(results.root)
    write_study_report(results.root)
    readme = repository / "README.md"
    write_text(readme, filled(readme.read_text(encoding="utf-8"), results.root, repository))
    return results.root


def filled(readme: str, results: Path, repository: Path = REPOSITORY) -> str:
    """The README with the section between the markers written anew.

    Raises: UserError: the README has no such markers.
    """
    if BEGIN not in readme or END not in readme:
        raise UserError(f"the README has no section between {BEGIN} and {END}")
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    where = results.relative_to(repository).as_posix()
    return f"{before}{BEGIN}\n\n{section(json.loads((results / 'summary.json').read_text()), where)}\n\n{END}{after}"


def section(summary: Mapping[str, Any], where: str) -> str:
    """The study's table, answers and two figures, from its summary alone."""
    return "\n".join(
        [
            f"`treehead study {summary['name']}`: {len(summary['cells'])} runs, last epoch, one view, all test images, "
            "which chose nothing.",
            "",
            as_markdown(summary),
            f"![Validation accuracy and loss of every run]({where}/figures/curves.png)",
            "",
            f"![What each choice changes, with intervals]({where}/figures/effects.png)",
            "",
            f"Every run's config, history and metrics are in `{where}/runs`, their [page]({where}/report.html) beside "
            f"them. `treehead report {where}` makes table, answers, page and figures again from these files, and "
            f"`python docs/results/publish_study.py STUDY` wrote this section.",
        ]
    )


if __name__ == "__main__":
    try:
        print(publish(Path(sys.argv[1])))
    except UserError as error:
        sys.exit(f"publish_study: {error}")
