"""Pictures of pages, for a README or a talk, taken by a browser without a window."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.files import write_atomically

CHROMIUMS: Final = ("chromium-headless-shell", "chromium", "google-chrome")
"""Browsers of the system that Playwright can drive, the first that is there is taken."""
SIZE: Final = (1440, 900)
PATIENCE: Final = 120_000
"""Milliseconds until the page has to be ready: a busy machine takes its time."""
MOST_BYTES: Final = 300_000
"""Of a picture; a larger one gets coarser colours."""
COARSEST: Final = 4


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
    """The same picture, its colours as little coarser as makes it fit ``limit`` bytes.

    Of each channel up to `COARSEST` last bits are rounded away: an eye does not see it, and a PNG
    file has less to remember. A palette would be smaller, and show bands.
    """
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB"), np.int64)
    found = png
    for bits in range(1, COARSEST + 1):
        if len(found) <= limit:
            break
        step = 1 << bits
        # White and black stay what they are.
        rounded = np.where(pixels == 255, 255, np.minimum((pixels + step // 2) // step * step, 255))
        stream = io.BytesIO()
        Image.fromarray(rounded.astype(np.uint8)).save(stream, format="PNG", optimize=True)
        found = stream.getvalue()
    return found
