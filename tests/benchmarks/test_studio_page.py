"""The studio's page in a real browser, with a real mouse: Chromium without a window.

Skipped where there is no browser to be found, outside CI.
"""

import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.studio.screenshot import SIZE, find_browser, screenshot
from tests.benchmarks.open_studio import Served, session, small_generator, small_plane
from tests.particle_painter import ParticlePainter

PATIENCE = 60_000  # milliseconds; machines that test are busy


def missing(reason):
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI has to install it")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        missing("Playwright is not installed: pip install -e '.[dev]'")
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=find_browser())
        except Error as error:
            missing(f"no Chromium, `make browser` installs one ({str(error).splitlines()[0]})")
        yield opened
        opened.close()


class Page:
    """A window of the studio, and all that went wrong in it."""

    def __init__(self, browser, served, ready=True):
        self.served, self.wrong, self.asked = served, [], []
        self.window = browser.new_page(viewport={"width": 1280, "height": 900})
        self.window.set_default_timeout(PATIENCE)
        self.window.on("console", self._said)
        self.window.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.window.on("request", lambda request: self.asked.append(request.url))
        self.window.goto(served.address)
        if ready:
            self.wait("document.documentElement.dataset.ready === 'true'")

    def _said(self, message):
        if message.type == "error":
            self.wrong.append(message.text)

    def wait(self, condition):
        """Ask again and again: what Playwright has for this evaluates text, which is forbidden."""
        until = time.monotonic() + PATIENCE / 1000
        while not self.window.evaluate(condition):
            assert time.monotonic() < until, f"never came true: {condition}; {self.wrong}"
            self.window.wait_for_timeout(20)

    def settled(self):
        """Wait until what is shown is what the history says."""
        self.wait("!studio.link.flying && !studio.link.next && !studio.link.kept.length")
        self.wait("new Promise((done) => requestAnimationFrame(() => done(true)))")

    def pixels(self):
        self.settled()
        found = self.window.evaluate(
            "const { width, height } = studio.stage.picture;"
            "[height, width, Array.from(studio.stage.picture.getContext('2d')"
            ".getImageData(0, 0, width, height).data)]"
        )
        return np.array(found[2]).reshape(*found[:2], 4)[..., :3]

    def handle(self, number):
        box = self.window.get_by_role(
            "button", name=f"particle {number}", exact=True
        ).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, number, dx, dy):
        """With the mouse, by shares of the picture's side."""
        side = self.window.locator("#picture").bounding_box()["width"]
        x, y = self.handle(number)
        mouse = self.window.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + dx * side, y + dy * side, steps=8)
        mouse.up()

    def press(self, name):
        self.window.get_by_role("button", name=name, exact=True).click()

    @property
    def notice(self):
        return self.window.locator("#notice p").inner_text()

    def state(self):
        return self.window.evaluate("studio.history.state")


@pytest.fixture
def served():
    made = Served(session())
    yield made
    made.end()


@pytest.fixture
def page(browser, served):
    opened = Page(browser, served)
    yield opened
    opened.window.close()


def test_a_mouse_drags_a_particle_and_what_is_far_stays(page):
    before = page.pixels()
    page.drag(2, 0.2, 0.0)
    after = page.pixels()
    changed = (before != after).any(-1)
    # The disc of particle 2 stands below the middle, and goes from there to the right.
    near = np.zeros((32, 32), bool)
    near[18:31, 11:26] = True
    assert changed[near].sum() > 20 and not changed[~near].any()
    (edit,) = page.state()
    assert (edit["edit"], edit["particle"]) == ("place", 2)
    assert edit["x"] == pytest.approx(0.04 + 0.4, abs=0.02)
    page.press("Undo")
    assert (page.pixels() == before).all()
    page.press("Redo")
    assert (page.pixels() == after).all()
    page.press("Reset")
    assert (page.pixels() == before).all()
    assert page.wrong == []
    own = page.served.address
    assert all(url.startswith((own, own.replace("http", "ws"), "data:")) for url in page.asked)
    assert len([url for url in page.asked if url.startswith(own)]) >= 10


def test_keys_move_hide_and_paste(page):
    start = page.pixels()
    page.window.get_by_role("button", name="particle 0", exact=True).focus()
    page.window.keyboard.press("ArrowRight")
    page.settled()
    assert page.state()[0]["x"] == pytest.approx(-0.5 + 0.1 * 100 / 255 + 0.02, abs=1e-3)
    page.window.keyboard.press("Control+c")
    page.window.get_by_role("button", name="particle 1", exact=True).focus()
    page.window.keyboard.press("Control+v")
    page.settled()
    assert page.state()[-1] == {"edit": "paste", "particle": 1, "source": 0}
    page.window.keyboard.press("Delete")
    hidden = page.pixels()
    assert page.state()[-1] == {"edit": "remove", "particle": 1}
    page.press("Show")
    page.settled()
    assert [edit["edit"] for edit in page.state()] == ["place", "paste"]
    assert (page.pixels() != hidden).any()
    for _ in range(4):
        page.window.keyboard.press("Control+z")
        page.settled()
    assert (page.pixels() == start).all() and page.wrong == []


def test_a_slider_recolours_and_files_say_so(page):
    page.window.get_by_role("button", name="particle 0", exact=True).click()
    slider = page.window.get_by_label("feature 2")
    slider.focus()
    slider.press("End")
    page.settled()
    (edit,) = page.state()
    assert edit["edit"] == "recolour" and edit["value"] > 1
    with page.window.expect_download() as saved:
        page.press("Save edits")
    assert '"dimension": 2' in Path(saved.value.path()).read_text()
    with page.window.expect_download() as saved:
        page.press("Save PNG")
    with Image.open(saved.value.path()) as picture:
        assert (np.asarray(picture.convert("RGB")) == page.pixels()).all()
    with page.window.expect_download() as saved:
        page.press("Save video")
    assert saved.value.suggested_filename == "film.mp4" and page.wrong == []


def test_a_broken_picture_is_refused_in_plain_words(page):
    before = page.pixels()
    files = page.window.locator("#pictures input[type=file]").first
    files.set_input_files({"name": "cat.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n"})
    page.window.locator("#notice").wait_for()
    assert "This file is no picture that can be read here" in page.notice
    assert (page.pixels() == before).all()
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), "white").save(stream, format="PNG")
    files = page.window.locator("#pictures input[type=file]").first
    files.set_input_files({"name": "new.png", "mimeType": "image/png", "buffer": stream.getvalue()})
    page.wait("document.getElementById('pictures').innerText.includes('new.png')")
    page.settled()
    assert (page.pixels() != before).any()
    # The browser itself reports the refused request; nothing else went wrong.
    assert all("400" in words for words in page.wrong)


def test_a_second_window_asks_and_takes_over(page, browser, served):
    second = Page(browser, served, ready=False)
    second.window.locator("#notice").wait_for()
    assert "open in another window" in second.notice
    second.press("Work here")
    second.wait("document.documentElement.dataset.ready === 'true'")
    page.wait("!document.getElementById('notice').hidden")
    assert "Another window has taken the studio over" in page.notice
    second.window.close()
    assert page.wrong + second.wrong == []


def test_a_lost_connection_is_said_and_found_again(page, served):
    page.drag(2, 0.1, 0.0)
    moved = page.pixels()
    served.cut()
    page.wait("document.getElementById('notice').innerText.includes('is lost')")
    page.wait("document.getElementById('notice').hidden")
    assert (page.pixels() == moved).all() and len(page.state()) == 1
    served.end()
    page.wait("document.getElementById('notice').innerText.includes('was ended')")


def test_the_background_of_a_second_picture_is_taken(page):
    number = page.window.get_by_label("Second picture: number of a test picture")
    number.fill("7")
    number.press("Enter")
    page.wait("document.getElementById('pictures').innerText.includes('test picture 7')")
    page.press("background")
    page.press("Looks of the second")
    page.settled()
    (edit,) = page.state()
    assert edit["picture"] == "other" and page.wrong == []
    page.window.get_by_label("to the second picture").press("End")
    page.settled()
    assert page.state()[-1] == {"edit": "interpolate", "share": 1}


def test_two_faces_are_swapped_under_the_grid(browser):
    served = Served(session(small_generator(), size=16))
    page = Page(browser, served)
    before = page.pixels()
    path = page.window.locator("svg.grid path.over")
    exact = path.get_attribute("d")
    page.press("Averaged")
    assert exact.startswith("M") and path.get_attribute("d") not in ("", exact)
    number = page.window.get_by_label("Second picture: number of a test picture")
    number.fill("6")
    number.press("Enter")
    page.press("Swap geometry")
    swapped = page.pixels()
    assert page.state()["geometry"] == 1 and (swapped != before).any()
    (first, *_) = page.window.evaluate("studio.about.desk.order.where")
    slider = page.window.get_by_label(f"number {first}", exact=True).first
    slider.focus()
    slider.press("Home")
    assert (page.pixels() != swapped).any()
    assert list(page.state()["where"]) == [str(first)]
    page.press("Reset")
    assert (page.pixels() == before).all() and page.wrong == []
    page.window.close()
    served.end()


def test_a_place_on_the_plane_is_kept_for_another_picture(browser):
    served = Served(session(small_plane(), size=16))
    page = Page(browser, served)
    before = page.pixels()
    box = page.window.locator("#pad").bounding_box()
    page.window.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    moved = page.pixels()
    low, high = page.window.evaluate("studio.desk.desk.spans")[0]
    place = page.state()["where"]
    first = page.window.evaluate("studio.desk.desk.pair[0]")
    assert place[first] == pytest.approx(low + 0.9 * (high - low), abs=0.01 * (high - low))
    assert (moved != before).any()
    page.window.keyboard.press("ArrowLeft")
    page.settled()
    assert page.state()["where"][first] < place[first]
    page.press("Undo")
    assert (page.pixels() == moved).all()
    number = page.window.get_by_label("Picture: number of a test picture")
    number.fill("6")
    number.press("Enter")
    page.wait("document.getElementById('pictures').innerText.includes('test picture 6')")
    page.settled()
    assert page.state()["where"] == pytest.approx(place, abs=1e-3) and page.wrong == []
    page.window.close()
    served.end()


def test_what_the_method_cannot_do_is_greyed_out_with_the_reason(browser):
    served = Served(session(ParticlePainter(presence=False, fixed=True)))
    page = Page(browser, served)
    page.window.get_by_role("button", name="particle 0", exact=True).click()
    hide = page.window.get_by_role("button", name="Hide", exact=True)
    assert hide.is_disabled() and "paints 3 particles" in hide.get_attribute("title")
    assert page.window.get_by_label("presence").count() == 0 and page.wrong == []
    page.window.close()
    served.end()


def test_a_picture_of_the_page_is_taken(tmp_path, browser):
    # On another thread, for Playwright's other interface has a loop running on this one.
    work = threading.Thread(target=screenshot, args=[session(), tmp_path / "studio.png"])
    work.start()
    work.join(PATIENCE / 1000)
    with Image.open(tmp_path / "studio.png") as seen:
        assert seen.size == SIZE and len(seen.convert("RGB").getcolors(2**24)) > 500
