"""A study's page, as a file and in a real browser: plots, sorting, controls, and its width."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium, needs_chromium
from made_up_run import BuiltOnce, make_run_folder, small_tree
from playwright.sync_api import Browser, Page, expect
from test_report_browser import point_at

from treehead.config import write_config
from treehead.decode import DECODERS
from treehead.report import write_study_report
from treehead.runfiles import StudyFolder, write_json, write_text
from treehead.study.builtin import shapes
from treehead.study.grid import cells, write_study
from treehead.study.summary import write_summary
from treehead.types import UserError

BAD = '<b>"x"</script>'


def make_study(root: Path, *, finished: int) -> Path:
    """The shapes study with its first cells `finished`, the next one begun, one failed and the rest waiting."""
    study, folder = shapes(), StudyFolder(root)
    write_text(folder.study, write_study(study))
    every = cells(study)
    for number, cell in enumerate(every[: finished + 1]):
        done = number < finished
        place = folder.run(cell.name)
        make_run_folder(place.root, tree=small_tree(BAD), finished=done, seed=number, images=480, samples=False)
        write_text(place.config, write_config(cell.config))
        if done:
            write_json(place.metrics, with_decoders(place.read_json(place.metrics)))
    write_text(folder.run(every[0].name).report, "its own report")
    write_json(folder.failures, {every[-1].name: "the loss became nan"})
    write_summary(root)
    return root


def with_decoders(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics with equal figures for every decoder, and a calibration that changes nothing."""
    same = {"calibration_error": metrics["calibration_error"], "loss": metrics["loss"]}
    return metrics | {
        "decoders": dict.fromkeys(DECODERS, metrics),
        "calibration": {"weights": {}, "images": 0, "source": "none held out", "before": same, "after": same},
    }


@pytest.fixture(scope="module")
def study(built_once: BuiltOnce) -> Path:
    """A study with its page."""
    return built_once("study", lambda folder: write_study_report(make_study(folder, finished=9)))


@pytest.fixture(scope="module")
def report(study: Path) -> Path:
    return StudyFolder(study).report


def test_the_page_is_self_contained_and_links_the_reports_of_runs(study: Path, report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.split('id="data"')[0])
    assert {a for a in addresses if not a.startswith(("data:", "#"))} == {"runs/adam-relu-seed0/report.html"}
    assert page.count("</script>") == 4  # those of the template
    assert page.count("the loss became nan") == 1
    assert {path.stem for path in (study / "figures").iterdir()} == {
        "curves",
        "effects",
        "mistakes",
        "confusion_by_severity",
        *(f"confusion_{level}" for level in ("fine", "family", "kingdom")),
    }
    summary = json.loads((study / "summary.json").read_text())
    for row in summary["cells"][:9]:
        assert f"{100 * row['figures']['accuracy']['fine']:.2f}\N{NO-BREAK SPACE}%" in page


def test_a_study_without_a_finished_run_has_a_page(tmp_path: Path) -> None:
    page = write_study_report(make_study(tmp_path, finished=0)).read_text(encoding="utf-8")
    assert "No run is finished yet." in page
    assert "Learning curves" in page
    assert "Confusion matrices" not in page


def test_a_damaged_summary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no summary\.json"):
        write_study_report(tmp_path)
    write_json(tmp_path / "summary.json", {"format": 1})
    with pytest.raises(UserError, match=r"summary\.json is damaged or of another version"):
        write_study_report(tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=[1280, 390])
def opened(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The page at both widths; the last test fails if it has logged to the console or fetched anything."""
    problems: list[str] = []
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else problems.append(r.url))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert problems == []


@pytest.fixture
def page(opened: Page) -> Iterator[Page]:
    """The page, afterwards with its first choices."""
    yield opened
    opened.emulate_media(media="screen")
    for choice in opened.locator("select").all():
        choice.select_option(index=0)
    for tabs in opened.get_by_role("tablist").all():
        tabs.get_by_role("tab").first.click()


class TestInABrowser:
    pytestmark = needs_chromium

    def test_everything_is_drawn_and_nothing_is_wider_than_the_page(self, page: Page) -> None:
        page.locator("#plot-matrix .heatmaplayer image").wait_for(state="attached")
        assert page.locator("#plot-curves .scatterlayer .js-line").count() == 10
        assert page.viewport_size
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        expect(page.locator("#curves .still")).to_be_hidden()

    def test_sorting_sorts(self, page: Page) -> None:
        fine = page.get_by_role("button", name="fine, test")
        column = 1 + [head.inner_text() for head in page.locator(".runs th button").all()].index("fine, test")
        shown = page.locator(f".runs tbody td:nth-child({column})")
        for sign in (1, -1):
            fine.click()
            values = [float(cell.get_attribute("data-value") or "nan") for cell in shown.all()]
            assert values == sorted(values, key=lambda value: sign * value)
            assert len(set(values)) > 5
        assert fine.locator("..").get_attribute("aria-sort") == "descending"
        page.get_by_role("button", name="optimizer").click()
        assert page.locator(".runs tbody tr").last.inner_text().startswith("sgd")

    def test_curves_can_be_selected(self, page: Page) -> None:
        title = page.locator("#plot-curves .ytitle")
        expect(title).to_have_text("fine accuracy")
        page.locator("#what").get_by_role("tab", name="loss").click()
        page.locator("#head").get_by_role("tab", name="family").click()
        expect(title).to_have_text("family loss, in nats")
        before = page.locator("#plot-curves .js-line").first.get_attribute("d")
        page.locator("#part").get_by_role("tab", name="training").click()
        expect(page.locator("#plot-curves .js-line").first).not_to_have_attribute("d", before or "")
        page.locator("#colour").select_option("run")
        expect(page.locator("#plot-curves .legendtoggle")).to_have_count(10)
        page.locator("#colour").select_option("activation")
        expect(page.locator("#plot-curves .legendtoggle")).to_have_count(2)

    def test_hovering_a_cell_names_both_classes(self, page: Page, study: Path) -> None:
        label = point_at(page, "#plot-matrix", 1.5 / 24, 0.5 / 24)
        expect(label).to_contain_text(f"true {BAD}predicted leaf 1")
        expect(label).to_contain_text("severity 1: wrong fine class, right family")

    def test_any_run_and_level_has_its_matrix(self, page: Page, study: Path) -> None:
        page.locator("#run").select_option("sgd-relu-seed1")
        page.locator("#level").get_by_role("tab", name="kingdom").click()
        label = point_at(page, "#plot-matrix", 0.5 / 3, 0.5 / 3)
        metrics = StudyFolder(study).run("sgd-relu-seed1").metrics
        counts = json.loads(metrics.read_text())["confusion"]["kingdom"][0]
        expect(label).to_contain_text(f"true roundpredicted round{counts[0]} of {sum(counts)}")

    def test_print_shows_the_still_figures(self, page: Page) -> None:
        page.emulate_media(media="print")
        for still in ("#curves .still", "#effects .still", "#matrices .still >> nth=0"):
            expect(page.locator(still)).to_be_visible()
        expect(page.locator("#plot-curves")).to_be_hidden()
        expect(page.locator("#plot-matrix")).to_be_hidden()
