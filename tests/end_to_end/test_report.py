"""The report of a run folder: one page and its figures, from the files alone."""

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_up_run import BuiltOnce, make_run_folder, small_tree
from PIL import Image

from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.metrics.selective import selective_figures
from treehead.report import write_report
from treehead.report.run import write
from treehead.runfiles import RunFolder, write_arrays
from treehead.types import UserError

MakeRun = Callable[..., Path]


class Loads(HTMLParser):
    """Collects whatever a page would fetch, and its text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self._mute = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._mute = tag in {"script", "style"}
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data"}]

    def handle_endtag(self, tag: str) -> None:
        self._mute = False

    def handle_data(self, data: str) -> None:
        if not self._mute:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def read(page: Path) -> Loads:
    return Loads(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reported(built_once: BuiltOnce) -> Path:
    """A finished run with its report, which tests must not change."""
    return built_once("reported", lambda folder: write_report(make_run_folder(folder / "tiny"))) / "tiny"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of a page's text: the static figures are made, but one pixel stands for each drawing."""
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    monkeypatch.setattr(write, "png", lambda figure: pixel.getvalue())


def test_report_is_the_same_when_drawn_again(reported: Path) -> None:
    first = (reported / "report.html").read_bytes()
    page = write_report(reported)
    assert page == reported / "report.html"
    assert page.read_bytes() == first


def test_page_carries_everything_it_shows(reported: Path) -> None:
    root, page = reported, reported / "report.html"
    loads = read(page)
    assert loads.addresses
    assert all(address.startswith(("data:", "#")) for address in loads.addresses)
    style = (page.read_text(encoding="utf-8").split("<style>")[1]).split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    names = {path.name for path in (root / "figures").iterdir()}
    levels = ("fine", "family", "kingdom")
    assert names == {
        "curves.png",
        "severity.png",
        "confusion_by_severity.png",
        "risk_coverage.png",
        *(f"confusion_{level}.png" for level in levels),
    }
    for name in names:
        with Image.open(root / "figures" / name) as image:
            assert min(image.size) > 400


def test_confidence_section_has_calibration_guarantees_and_areas(run_folder: MakeRun) -> None:
    root = run_folder()
    folder, levels = RunFolder(root), ("fine", "family", "kingdom")
    labels = np.tile(np.arange(3), (3, 1)).T
    confidences = np.array([[0.9, 0.95, 0.99], [0.2, 0.5, 0.6], [0.7, 0.7, 0.7]])
    figures = selective_figures(levels, labels=labels, answers=labels[[0, 0, 2]], confidences=confidences)
    plain = {"loss": dict.fromkeys(levels, 1.25), "calibration_error": dict.fromkeys(levels, 0.1)}
    scaled = {"loss": dict.fromkeys(levels, 1.125), "calibration_error": dict.fromkeys(levels, 0.05)}
    fitted = {"weights": dict.fromkeys(levels, 0.75), "images": 600, "source": "600 images held out"}
    bound = {"max_error": 0.05, "threshold": 0.8, "error": 0.043, "low": 0.03, "high": 0.06}
    sets = {"asked": 0.9, "threshold": 0.2, "coverage": 0.91, "low": 0.89, "high": 0.93, "nodes": 1.5, "leaves": 2.25}
    kept = {"risk_control": [bound | {"answered": dict.fromkeys(levels, 0.25)}], "sets": [sets]}
    measured_again(root, **figures, calibration=fitted | {"before": plain, "after": scaled}, guarantees=kept)
    text = read(write_report(root)).text
    assert "Its weights were fitted on 600 images held out." in text
    for row in (
        "Weight How much the head of this level counts in the posterior. 0.75 0.75 0.75",
        "Loss Of the head of this level alone. 1.250 1.250 1.250",
        "Loss, posterior Of the sums of the posterior's leaves. 1.125 1.125 1.125",
        "at most 5 % 4.30 % 3.00 % to 6.00 % 80.0 % 25.0 % 25.0 % 25.0 % 25.0 %",
        "at least 90 % 91.00 % 89.00 % to 93.00 % 1.50 2.25",
    ):
        assert "".join(row.split()) in "".join(text.split()), row
    assert (
        "Area under the risk-coverage curve (mean risk over all coverages; lower is better): fine 0.111" in text
    )  # (0 + 0 + 1/3) / 3
    with Image.open(folder.figures / "risk_coverage.png") as image:
        assert min(image.size) > 400


def test_page_shows_metrics_machine_and_config(reported: Path) -> None:
    root = reported
    text = read(root / "report.html").text
    metrics = json.loads(RunFolder(root).metrics.read_text())
    for level in metrics["levels"]:
        assert f"{100 * metrics['accuracy'][level]:.1f} %" in text
    for words in ("shapes", "independent", "official", "Made-up CPU 9000", "51 min", "not used for any selection"):
        assert words in text
    for words in (
        "Mean mistake severity",
        "HD@1 / HD@5 / HD@20",
        "Tree inconsistency",
        "Full-path accuracy",
        "trunk.0.conv",
    ):
        assert words in text
    assert "[train] epochs = 12" in text


@pytest.mark.usefixtures("undrawn")
def test_names_are_escaped(run_folder: MakeRun) -> None:
    name = '<b>"x"</script><script>alert(1)</script>'
    page = write_report(run_folder(tree=small_tree(name))).read_text(encoding="utf-8")
    assert "<b>&" not in page.split("plotly.js")[0]
    assert "alert(1)</script>" not in page
    assert name in Loads(page).text
    assert page.count("</script>") == 4  # the page's own


@pytest.mark.slow
def test_a_page_of_a_hundred_classes_is_small(run_folder: MakeRun) -> None:
    page = write_report(run_folder(tree=cifar100_tree("haf8").to_json(), epochs=2))
    assert page.stat().st_size < 8_000_000
    assert "All 100 classes" in read(page).text


@pytest.mark.usefixtures("undrawn")
def test_unfinished_run_shows_its_curves_and_a_notice(run_folder: MakeRun) -> None:
    root = run_folder(finished=False)
    text = read(write_report(root)).text
    assert "This run is not finished." in text
    assert "4 of 12 epochs" in text
    assert "Learning curves" in text
    assert "Confusion matrices" not in text
    assert [path.name for path in (root / "figures").iterdir()] == ["curves.png"]


@pytest.mark.usefixtures("undrawn")
def test_run_before_its_first_epoch_shows_its_network(run_folder: MakeRun) -> None:
    root = run_folder(finished=False)
    (root / "history.jsonl").unlink()
    text = read(write_report(root)).text
    assert "has not finished an epoch" in text
    assert "trunk.0.conv" in text


@pytest.mark.usefixtures("undrawn")
def test_without_samples_confusions_have_no_images(run_folder: MakeRun) -> None:
    page = write_report(run_folder(samples=False))
    assert "This report has no sample images" in read(page).text
    assert '<p class="samples">' not in page.read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_perfect_run_has_no_mistakes_to_show(run_folder: MakeRun) -> None:
    root = run_folder(samples=False)
    path = RunFolder(root).metrics
    metrics = json.loads(path.read_text())
    metrics |= {"severity_counts": [2400, 0, 0, 0], "severity_share": None, "mistake_severity": None}
    for level, matrix in metrics["confusion"].items():
        metrics["confusion"][level] = np.diag(np.sum(matrix, axis=1)).tolist()
    path.write_text(json.dumps(metrics))
    text = read(write_report(root)).text
    assert "made no mistake" in text
    assert "Most frequent confusions" not in text


def measured_again(root: Path, **figures: object) -> None:
    path = RunFolder(root).metrics
    path.write_text(json.dumps(json.loads(path.read_text()) | figures))


def test_costliest_confusions_follow_the_frequent_ones(reported: Path) -> None:
    text = read(reported / "report.html").text
    assert text.index("Most frequent confusions") < text.index("Costliest confusions")


@pytest.mark.usefixtures("undrawn")
def test_every_decoder_has_a_row_and_the_chosen_one_is_marked(run_folder: MakeRun) -> None:
    root = run_folder()
    metrics = json.loads(RunFolder(root).metrics.read_text())
    row = metrics | {"full_path_accuracy": 0.4321, "mistake_severity": None}
    measured_again(root, decoders={"independent": metrics, "path": row})
    page = write_report(root)
    text = read(page).text.replace("\N{NO-BREAK SPACE}", " ")
    assert (
        "decoderfinefamilykingdomseverity 1severity 2severity 3MSHD@1HD@5HD@20FPATICE" in text
    )  # no space between cells
    assert "43.21 %" in text
    assert page.read_text(encoding="utf-8").count('<tr class="chosen"><td><code>independent</code>') == 1


def test_metrics_of_an_older_version_name_the_way_out(run_folder: MakeRun) -> None:
    root = run_folder()
    metrics = json.loads(RunFolder(root).metrics.read_text())
    del metrics["decoders"]
    RunFolder(root).metrics.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match=r"'decoders' is missing\); run `treehead evaluate "):
        write_report(root)


@pytest.mark.usefixtures("undrawn")
def test_metrics_without_confusion_matrices_give_a_report_without_them(run_folder: MakeRun) -> None:
    root = run_folder()
    metrics = json.loads(RunFolder(root).metrics.read_text())
    del metrics["confusion"]
    RunFolder(root).metrics.write_text(json.dumps(metrics))
    text = read(write_report(root)).text
    assert "Confusion matrices" not in text
    assert "Mistakes by severity" in text
    assert {path.name for path in (root / "figures").iterdir()} == {"curves.png", "severity.png", "risk_coverage.png"}


@pytest.mark.usefixtures("undrawn")
def test_a_warning_about_the_tree_stands_at_the_top(reported: Path, run_folder: MakeRun) -> None:
    assert "Warning:" not in read(reported / "report.html").text
    root = run_folder()
    measured_again(root, alarm="tree 'oak' & the labels <probably> do not match")
    text = read(write_report(root)).text
    assert "Warning: tree 'oak' & the labels <probably> do not match" in text
    assert text.index("Warning: tree") < text.index("Learning curves")


@pytest.mark.usefixtures("undrawn")
def test_hierarchical_and_haf5_figures_have_rows(run_folder: MakeRun) -> None:
    root = run_folder()
    shares = {"precision": 0.7654, "recall": 0.8765, "f1": 0.8172}
    counts: dict[str, object] = {"severity_counts": [1], "severity_share": None, "severity_chance": [1.0]}
    haf5 = counts | {"mistake_severity": 2.5, "hd": {"1": 0.75}}
    measured_again(root, hierarchical=shares, haf5=haf5)
    text = read(write_report(root)).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "76.54 % / 87.65 % / 81.72 %" in text
    assert "Mean mistake severity on tree haf5" in text
    assert "2.500" in text
    assert "HD@1 on tree haf5" in text


@pytest.mark.parametrize("name", ["config.toml", "environment.json", "tree.json", "network.json"])
def test_missing_file_is_named(run_folder: MakeRun, name: str) -> None:
    root = run_folder()
    (root / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)):
        write_report(root)
    assert not (root / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tree.json", "{"),
        ("tree.json", "[1]"),
        ("network.json", '{"input": [3, 32, 32]}'),
        ("history.jsonl", '{"epoch": 1}\n'),
        ("history.jsonl", "{oops\n"),
        ("metrics.json", "null"),
        ("config.toml", "a = = 1"),
        ("environment.json", '{"format": 1}'),
        ("samples.npz", "no archive"),
    ],
)
def test_damaged_file_is_named(run_folder: MakeRun, name: str, content: str) -> None:
    root = run_folder()
    (root / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(name)):
        write_report(root)
    assert not (root / "report.html").exists()


def test_files_that_contradict_the_tree_are_an_error(run_folder: MakeRun) -> None:
    root = run_folder()
    folder = RunFolder(root)
    metrics = json.loads(folder.metrics.read_text())
    folder.metrics.write_text(json.dumps({**metrics, "confusion": {**metrics["confusion"], "family": [[1]]}}))
    with pytest.raises(UserError, match=r"the family confusion matrix is \(1, 1\), the tree has 8 classes"):
        write_report(root)
    folder.metrics.write_text(json.dumps(metrics))
    write_arrays(folder.samples, {**folder.read_arrays(folder.samples), "labels": np.zeros((1, 3), int)})
    with pytest.raises(UserError, match=r"labels are \(1, 3\)"):
        write_report(root)


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder"):
        write_report(tmp_path)
