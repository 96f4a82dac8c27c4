"""The report and the studio of a real smoke run in a real browser: Chromium without a window.

Skipped where there is no browser to be found, outside CI.
"""

import subprocess
import sys

import pytest

from benchmarks.chosen_pictures import Pictures
from benchmarks.reporting import report
from benchmarks.store import Store, read_cell
from benchmarks.studio.launch import make_session
from tests.benchmarks.open_browser import StudioWindow, Window
from tests.benchmarks.open_studio import Served
from tests.plugins import ROOT

ROWS = ("dlp-k30", "pca-60")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results folder of two rows of the first table, as people measure them."""
    folder = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, "-m", "benchmarks", "bench", "mafl", "--budget", "smoke"]
    command += ["--rows", ",".join(ROWS), "--seeds", "1", "--devices", "cpu"]
    command += ["--results", str(folder / "results"), "--cache-dir", str(folder / "cache")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "results"


OPEN = "for (const one of document.querySelectorAll('details')) one.open = true"


@pytest.fixture(scope="module")
def page(results, browser):
    """The report of them, opened from its file."""
    file = results / "report.html"
    assert report(["mafl"], file, results=[results]) == 0
    assert file.stat().st_size < 5_000_000
    window = Window(browser, file.as_uri())
    window.window.evaluate(OPEN)
    yield window
    window.close()


IMAGES = """Promise.all([...document.querySelectorAll("main img")].map(async (image) => {
  await image.decode();
  return image.naturalWidth > 100;
}))"""


def test_a_report_asks_nobody_and_shows_all_its_pictures(page, results):
    assert page.wrong == []
    others = [url for url in page.asked if not url.startswith("data:")]
    assert others == [(results / "report.html").as_uri()]
    shown = page.window.evaluate(IMAGES)
    assert len(shown) >= 3 and all(shown)
    text = page.window.locator("body").inner_text()
    assert "STAND-IN" in text and "budget smoke" in text
    assert page.window.locator("details.cell").count() == len(ROWS)
    assert page.window.locator("svg.curve polyline").count() > 1


FOCUSED = "(one) => one === document.activeElement"


def test_pictures_enlarge_by_the_keyboard(page):
    first, second, *_ = page.window.locator("button.enlarge:visible").all()
    first.focus()
    page.window.keyboard.press("Enter")
    dialog = page.window.locator("dialog#large")
    assert dialog.is_visible()
    words = dialog.locator("p").inner_text
    assert words() == first.locator("img").get_attribute("alt")
    large = dialog.locator("img").bounding_box()["width"]
    assert large > 1.2 * first.locator("img").bounding_box()["width"]
    page.window.keyboard.press("ArrowRight")
    assert words() == second.locator("img").get_attribute("alt")
    page.window.keyboard.press("Escape")
    assert not dialog.is_visible()
    # The browser tells the page of the closing a moment later.
    page.window.wait_for_function(FOCUSED, arg=second.element_handle())
    page.window.keyboard.press("Tab")
    assert not second.evaluate(FOCUSED)
    assert page.wrong == []


BRIGHT = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"


def test_a_report_is_read_on_a_phone_and_in_the_dark(page, browser):
    address = page.asked[0]
    phone = Window(browser, address, size=(390, 844), color_scheme="dark", has_touch=True)
    assert phone.fits() and max(phone.window.evaluate(BRIGHT)) < 60
    phone.window.evaluate(OPEN)
    assert phone.fits() and phone.wrong == []
    assert min(page.window.evaluate(BRIGHT)) > 200
    phone.close()


def test_a_checkpoint_of_the_run_opens_in_the_studio(browser, results):
    found = map(read_cell, sorted((results / "cells" / "mafl").glob("*.json")))
    (cell,) = [cell for cell in found if cell.row == ROWS[0]]
    run = Store(results).run_folder(cell.cell_id)
    served = Served(make_session(run, Pictures(cache_dir=results.parent / "cache")))
    window = StudioWindow(browser, served.address, size=(390, 780), color_scheme="dark")
    before = window.pixels()
    window.drag(3, 0.15, 0.0)
    assert (window.pixels() != before).any() and window.fits()
    window.press("Undo")
    assert (window.pixels() == before).all() and window.wrong == []
    window.close()
    served.end()
