"""Pictures of pages, for a README or a talk, taken by a browser without a window."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from benchmarks.files import write_atomically

CHROMIUMS: Final = ("chromium-headless-shell", "chromium", "google-chrome")
"""Browsers of the system that Playwright can drive, the first that is there is taken."""
SIZE: Final = (1440, 900)
PATIENCE: Final = 120_000
"""Milliseconds until the page has to be ready: a busy machine takes its time."""
MOST_BYTES: Final = 300_000
"""Of a picture; a larger one gets a palette, which a page of few colours hardly shows."""


def find_browser() -> str | None:
    """Path of a browser of the system; None for Playwright's own."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@dataclass(frozen=True)
class View:
    """What is looked at.

    Args:
        address: of a page that sets ``data-ready`` on its root when it is done.
        above: CSS selector of what is brought to the window's upper edge; None for the page's.
        size: of the window, pixels.
        script: JavaScript that is run before; its promise is awaited. None for none.
    """

    address: str
    above: str | None = None
    size: tuple[int, int] = SIZE
    script: str | None = None


async def photograph(view: View, output: Path) -> None:
    """Write what a window shows as a PNG file.

    Raises:
        ValueError: Playwright is not installed, or has no browser; says what to do.
    """
    write_atomically(output, smaller(await _seen(view)))


async def _seen(view: View) -> bytes:
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise ValueError(
            "a picture of a page is taken by Playwright, which is not installed: "
            "pip install playwright"
        ) from error
    width, height = view.size
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_browser())
            page = await browser.new_page(viewport={"width": width, "height": height})
            await page.goto(view.address)
            ready = page.locator("html[data-ready=true]")
            await ready.wait_for(state="attached", timeout=PATIENCE)
            if view.script is not None:
                await page.evaluate(view.script)
            if view.above is not None:
                await page.locator(view.above).first.evaluate("(one) => one.scrollIntoView()")
            return await page.screenshot()
    except Error as error:
        raise ValueError(
            "the browser for the picture failed; `make browser` installs one "
            f"({str(error).splitlines()[0]})"
        ) from error


def smaller(png: bytes, limit: int = MOST_BYTES) -> bytes:
    """The same picture with a palette of 256 colours, if it is larger than ``limit`` bytes."""
    if len(png) <= limit:
        return png
    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    few.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
