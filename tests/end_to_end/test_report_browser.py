"""The report in a real browser: figures, hovering, tabs, no errors, no horizontal scrolling."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from chromium import chromium, needs_chromium
from made_up_run import BuiltOnce, make_run_folder, small_tree
from playwright.sync_api import Browser, Locator, Page, expect

from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.report import write_report

pytestmark = needs_chromium

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(built_once: BuiltOnce) -> dict[str, Path]:
    def build(root: Path) -> None:
        write_report(make_run_folder(root / "small", tree=small_tree('<b>"x"')))
        write_report(make_run_folder(root / "hundred", tree=cifar100_tree("haf8").to_json()))
        write_report(make_run_folder(root / "unfinished", finished=False))

    return {folder.name: folder / "report.html" for folder in built_once("reports", build).iterdir()}


@pytest.fixture(scope="module")
def opened(browser: Browser, pages: dict[str, Path]) -> Iterator[Open]:
    """Opens a report, once with the same choices: a test leaves its page as it came.

    The last test fails on console messages, script errors and network requests of any.
    """
    problems: list[str] = []
    contexts = []

    @cache
    def open_page(name: str, width: int = 1280, **choices: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **choices)  # pyright: ignore
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: _note_fetch(request.url, problems))
        page.goto(pages[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def _note_fetch(url: str, problems: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        problems.append(f"fetched {url}")


def point_at(page: Page, selector: str, column: float, row: float) -> Locator:
    """Hover the spot at (column, row), each a share of the plot's inside; gives the layer that answers."""
    plot = page.locator(f"{selector} .nsewdrag").first
    plot.scroll_into_view_if_needed()
    inside = plot.bounding_box()
    assert inside is not None
    page.mouse.move(inside["x"] + column * inside["width"], inside["y"] + row * inside["height"], steps=3)
    return page.locator(f"{selector} .hoverlayer")


def test_curves_and_matrix_are_drawn(opened: Open) -> None:
    page = opened("hundred")
    page.locator("#matrix-0 .heatmaplayer image").wait_for(state="attached")
    assert page.locator('[data-figure="curves_losses"] .scatterlayer .js-line').count() == 6
    assert page.locator('[data-figure="curves_accuracy"] .scatterlayer .js-line').count() == 6
    assert not page.locator("#curves .still").is_visible()


def test_hovering_a_cell_names_both_classes(opened: Open) -> None:
    text = point_at(opened("small"), "#matrix-0", 1.5 / 24, 0.5 / 24)
    expect(text).to_contain_text('true class <b>"x"answer leaf 1')
    expect(text).to_contain_text("severity 1")


def test_hovering_a_curve_reads_the_epoch(opened: Open) -> None:
    text = point_at(opened("small"), '[data-figure="curves_accuracy"]', 0.5, 0.3)
    expect(text).to_contain_text("epoch")
    expect(text).to_contain_text("fine, validation")


def test_switching_the_level_shows_its_matrix(opened: Open) -> None:
    page = opened("hundred")
    page.get_by_role("tab", name="group").click()
    expect(page.locator("#matrix-0")).to_be_hidden()
    text = point_at(page, "#matrix-2", 1.5 / 8, 0.5 / 8)
    expect(text).to_contain_text("true class household objectsanswer large man-made outdoor things")
    page.get_by_role("tab", name="group").press("ArrowLeft")
    expect(page.locator("#matrix-1")).to_be_visible()
    assert page.get_by_role("tab", name="superclass").get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="fine").click()
    expect(page.locator("#matrix-0")).to_be_visible()


def test_colours_by_severity_and_back(opened: Open) -> None:
    page = opened("small")
    image = page.locator("#matrix-0 .heatmaplayer image")
    by_share = image.get_attribute("href")
    page.get_by_role("button", name="by severity").click()
    expect(page.locator('[data-scale="severity"]')).to_be_visible()
    expect(page.locator('[data-scale="share"]')).to_be_hidden()
    expect(image).not_to_have_attribute("href", by_share or "")
    expect(point_at(page, "#matrix-0", 1.5 / 24, 0.5 / 24)).to_contain_text("severity 1")
    page.get_by_role("button", name="by share").click()
    expect(page.locator('[data-scale="severity"]')).to_be_hidden()
    expect(image).to_have_attribute("href", by_share or "")


def test_legend_toggles_a_curve(opened: Open) -> None:
    page = opened("small")
    page.locator('[data-figure="curves_losses"] .legendtoggle').first.click()
    lines = page.locator('[data-figure="curves_losses"] .scatterlayer .js-line')
    expect(lines).to_have_count(5)
    page.locator('[data-figure="curves_losses"] .legendtoggle').first.click()
    expect(lines).to_have_count(6)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["hundred", "unfinished"])
def test_page_is_no_wider_than_its_window(opened: Open, name: str, width: int) -> None:
    page = opened(name, width)
    page.locator(".plot .main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_colour_scheme_gives_a_dark_page(opened: Open) -> None:
    page = opened("small", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 27)"
    title = page.locator('[data-figure="curves_losses"] .xtitle')
    before = title.evaluate("node => getComputedStyle(node).fill")
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(200)
    assert title.evaluate("node => getComputedStyle(node).fill") != before


def test_without_scripts_the_static_figures_are_shown(opened: Open) -> None:
    page = opened("small", java_script_enabled=False)
    for index in range(3):
        assert page.locator(f"#matrix-{index} .still").is_visible()
    assert page.locator("#curves .still").is_visible()
    assert not page.locator('[role="tablist"]').is_visible()


def test_every_matrix_is_printed(opened: Open) -> None:
    page = opened("small")
    page.emulate_media(media="print")
    assert all(page.locator(f"#matrix-{index} .still").is_visible() for index in range(3))
    assert not page.locator("#matrix-0 .plot").is_visible()
    page.emulate_media(media="screen")
