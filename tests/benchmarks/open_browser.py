"""Chromium without a window, and pages in it that remember all that went wrong."""

import contextlib
import os
import time

import numpy as np
import pytest

from benchmarks.photographs import find_browser

PATIENCE = 60_000  # milliseconds; machines that test are busy


def missing(reason):
    """Skip with a reason, outside of CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI has to install it")
    pytest.skip(reason)


@contextlib.contextmanager
def chromium():
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


class Window:
    """A page in a window of its own; ``wrong`` and ``asked`` are what it complained of and asked.

    ``options`` are those of a browser context: ``color_scheme``, ``has_touch``, ...
    """

    def __init__(self, browser, address, ready=True, size=(1280, 900), **options):
        self.wrong, self.asked = [], []
        width, height = size
        self.window = browser.new_page(viewport={"width": width, "height": height}, **options)
        self.window.set_default_timeout(PATIENCE)
        self.window.on("console", self._said)
        self.window.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.window.on("request", lambda request: self.asked.append(request.url))
        self.window.goto(address)
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

    def fits(self):
        """Whether nothing has to be scrolled sideways."""
        return self.window.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

    def press(self, name):
        self.window.get_by_role("button", name=name, exact=True).click()

    def close(self):
        self.window.context.close()


class StudioWindow(Window):
    """A page of the studio."""

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

    def open(self, number, slot="Second picture"):
        """Open a test picture."""
        field = self.window.get_by_label(f"{slot}: number of a test picture")
        field.fill(str(number))
        field.press("Enter")
        words = f"test picture {number}"
        self.wait(f"document.getElementById('pictures').innerText.includes('{words}')")

    def choose_file(self, name, content, kind="image/png"):
        files = self.window.locator("#pictures input[type=file]").first
        files.set_input_files({"name": name, "mimeType": kind, "buffer": content})

    @property
    def notice(self):
        return self.window.locator("#notice p").inner_text()

    def state(self):
        return self.window.evaluate("studio.history.state")
