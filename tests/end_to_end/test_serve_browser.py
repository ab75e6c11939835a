"""The served page in Chromium, with the model of the package: drop, answer, errors, many images at once."""

import base64
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium, needs_chromium
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from treehead.serve.drawings import DRAWINGS

pytestmark = [*needs_chromium, pytest.mark.slow]

Open = Callable[..., Page]

DROP = """(files) => {
  const brought = new DataTransfer();
  for (const [name, type, content] of files)
    brought.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, { type }));
  const target = document.getElementById("wheel");
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: brought, bubbles: true, cancelable: true }));
}"""
"""Drops files with their content, as a browser does."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "treehead", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        line = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert line is not None
        yield line[0]
        process.send_signal(signal.SIGINT)


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Open]:
    """Opens a page; afterwards there must be no console message, no error and no request to another host."""
    problems: list[str] = []
    contexts = []

    def open_page(path: str = "/", width: int = 1280, *, failing: int = 0, **choices: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **choices)
        contexts.append(context)
        page = context.new_page()

        def note(text: str) -> None:
            if not (failing and f"responded with a status of {failing}" in text):  # Chromium logs every error response
                problems.append(text)

        page.on("console", lambda message: note(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: note(request.url) if not own(request.url) else None)
        page.goto(address + path)
        page.locator("body[data-ready]").wait_for()
        return page

    def own(url: str) -> bool:
        return url.startswith((address, "blob:", "data:"))

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def drop(page: Page, *files: tuple[str, str, bytes]) -> None:
    page.evaluate(DROP, [(name, kind, base64.b64encode(content).decode()) for name, kind, content in files])


def drawn(name: str, kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    DRAWINGS[name]().save(held, kind)
    return held.getvalue()


def test_a_dropped_image_is_classified_and_its_path_highlighted(opened: Open) -> None:
    page = opened()
    expect(page.locator(".segment.lit")).to_have_count(0)
    drop(page, ("my orange.jpg", "image/jpeg", drawn("orange", "JPEG")))
    expect(page.locator("#answer h2")).to_have_text("orange")
    expect(page.locator(".segment.lit.confident")).to_have_count(3)
    expect(page.locator(".ribbon.lit .name")).to_have_text(["orange", "fruit and vegetables", "plants"])
    expect(page.locator(".ribbon.second .name")).to_have_count(3)
    expect(page.locator("#outline .row.lit .name")).to_have_text(["plants", "fruit and vegetables", "orange"])
    expect(page.locator("#wheel image")).to_have_attribute("href", re.compile("^blob:"))
    expect(page.locator("#wheel")).to_have_attribute("aria-label", re.compile("Best path: orange .* plants "))


def test_a_higher_threshold_backs_off_to_a_higher_level(opened: Open) -> None:
    page = opened()
    page.get_by_role("button", name="Sample: apple").click()
    slider = page.get_by_label("Confidence threshold")
    expect(slider).to_be_visible()
    shares = page.locator("#outline .row.lit .number").all_inner_texts()
    expect(page.locator("#answer p")).to_contain_text("The sample shows: apple.")
    group, superclass, fine = (float(share.removesuffix(" %")) for share in shares)
    assert min(group, superclass) > fine + 2
    slider.fill(str(int(fine) - 2))
    expect(page.locator("#answer h2")).to_have_text("apple")
    expect(page.locator(".segment.lit.confident")).to_have_count(3)
    slider.fill(str(int(fine) + 2))
    expect(page.locator("#answer h2")).to_have_text("fruit and vegetables")
    expect(page.locator(".segment.lit.confident")).to_have_count(2)
    slider.fill("99")
    expect(page.locator("#answer h2")).to_have_text("No confident answer")
    expect(page.locator(".segment.lit.confident")).to_have_count(0)
    expect(page.locator(".segment.lit")).to_have_count(3)


def test_a_bound_on_errors_replaces_the_threshold(opened: Open) -> None:
    page = opened()
    page.get_by_role("button", name="Sample: apple").click()
    bound, slider = page.get_by_label("Answer as deep as"), page.get_by_label("Confidence threshold")
    expect(slider).to_be_visible()
    bound.select_option("at most 20 % errors allow")
    expect(slider).to_be_hidden()
    loose = page.locator(".segment.lit.confident").count()
    bound.select_option("at most 1 % errors allow")
    assert page.locator(".segment.lit.confident").count() <= loose
    page.get_by_label("Restrict to").select_option("group:plants")
    expect(bound).to_be_disabled()  # a bound holds for the whole tree
    expect(slider).to_be_visible()


def test_the_answer_can_be_restricted_to_a_subtree(opened: Open) -> None:
    page = opened()
    page.get_by_role("button", name="Sample: orange").click()
    expect(page.locator("#answer h2")).to_have_text("orange")
    page.get_by_label("Restrict to").select_option("superclass:flowers")
    expect(page.locator(".ribbon.lit .name")).to_have_text([re.compile(".+"), "flowers", "plants"])


def test_a_segment_shows_its_probability_and_can_be_selected(opened: Open) -> None:
    page = opened()
    page.get_by_role("button", name="Sample: orange").click()
    leaf = page.locator(".segment.lit").first
    leaf.dispatch_event("pointermove")
    expect(page.locator("#hint")).to_have_text(re.compile(r"^orange \(fine\): [\d.]+ %$"))
    page.locator(".segment.second").first.dispatch_event("click")
    expect(page.get_by_label("Restrict to")).to_have_value(re.compile("^fine:(?!orange)"))
    expect(page.locator("#answer h2")).not_to_have_text("orange")
    expect(page.locator(".ribbon.lit .number").first).to_have_text("100.0 %")
    expect(page.locator(".ribbon.second")).to_have_count(0)


def test_the_page_works_by_keyboard(opened: Open) -> None:
    page = opened()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    page.get_by_role("button", name="Sample: skyscraper").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#answer h2")).to_have_text("skyscraper")
    closed = page.locator("#outline details:not([open]) > summary").first
    closed.focus()
    count = page.locator("#outline .row").count()
    page.keyboard.press("Enter")
    expect(page.locator("#outline .row").nth(count)).to_be_attached()


def test_a_pasted_image_is_classified(opened: Open) -> None:
    page = opened()
    content = base64.b64encode(drawn("skyscraper")).decode()
    page.evaluate(
        """(content) => {
          const brought = new DataTransfer(), bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          brought.items.add(new File([bytes], "image.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: brought, bubbles: true }));
        }""",
        content,
    )
    expect(page.locator("#answer h2")).to_have_text("skyscraper")


def test_a_file_that_is_not_an_image_is_named(opened: Open, tmp_path: Path) -> None:
    page = opened(failing=415)
    notes = tmp_path / "<b>notes.png"
    notes.write_text("nothing")
    page.locator("#file").set_input_files(notes)
    expect(page.locator("#answer h2")).to_have_text("Cannot classify this file")
    expect(page.locator("#answer p")).to_contain_text("<b>notes.png is not an image in any of the formats JPEG, PNG")
    expect(page.locator(".segment.lit")).to_have_count(0)
    page.get_by_role("button", name="Sample: orange").click()
    expect(page.locator("#answer h2")).to_have_text("orange")


def test_too_many_pixels_are_failing_with_413(opened: Open) -> None:
    page = opened(failing=413)
    held = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(held, "PNG")
    with page.expect_response("**/api/predict*") as response:
        drop(page, ("vast.png", "image/png", held.getvalue()))
    assert response.value.status == 413
    expect(page.locator("#answer p")).to_contain_text("vast.png has too many pixels")


def test_a_file_too_large_is_failing_with_413(opened: Open, tmp_path: Path) -> None:
    page = opened(failing=413)
    large = tmp_path / "large.png"
    large.write_bytes(bytes(40 * 2**20))
    page.locator("#file").set_input_files(large)
    expect(page.locator("#answer p")).to_have_text("large.png has 40.0 MB; the limit is 32 MB")
    status, body = page.evaluate(  # the response to a program that does not check the limit first
        """async () => {
          const form = new FormData();
          form.append("images", new Blob([new Uint8Array(40 * 2 ** 20)]), "large.png");
          const response = await fetch("api/predict", { method: "POST", body: form });
          return [response.status, await response.json()];
        }"""
    )
    assert (status, body) == (413, {"detail": "a request is limited to 32 MB; send smaller or fewer images"})


def test_twenty_images_at_once_are_all_classified(opened: Open) -> None:
    page = opened()
    names = [*DRAWINGS, *DRAWINGS][:20]
    drop(page, *((f"{i}-{name}.png", "image/png", drawn(name)) for i, name in enumerate(names)))
    expect(page.locator("#images li")).to_have_count(20)
    expect(page.locator("#images-title")).to_have_text("20 images", timeout=30_000)
    expect(page.locator("#images .waiting, #images .failed")).to_have_count(0)
    page.get_by_role("button", name="orange", exact=True).first.click()
    expect(page.locator("#answer h2")).to_have_text("orange")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#images li")).to_have_count(0)
    expect(page.locator(".segment.lit")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window(opened: Open, width: int, scheme: str) -> None:
    page = opened(width=width, color_scheme=scheme)
    page.get_by_role("button", name="Sample: rocket").click()
    expect(page.locator(".segment.lit")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 22, 27)"}[scheme]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_endpoint_is_documented(opened: Open, width: int) -> None:
    page = opened("/docs", width)
    expect(page.get_by_role("heading", name="POST /api/predict")).to_be_visible()
    expect(page.locator("#operations tr", has_text="confidence")).to_contain_text("(minimum 0, maximum 1)")
    page.locator("#operations").get_by_role("link", name="Predictions").click()
    expect(page.locator("#Predictions")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
