"""A picture of the studio's page, for a README or a talk, by a browser without a window."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from aiohttp import web

from benchmarks.files import write_atomically
from benchmarks.studio.server import Studio, bound_socket
from benchmarks.studio.session import Session

CHROMIUMS: Final = ("chromium-headless-shell", "chromium", "google-chrome")
"""Browsers of the system that Playwright can drive, the first that is there is taken."""
SIZE: Final = (1440, 900)
PATIENCE: Final = 120_000
"""Milliseconds until the page has to be ready: a busy machine takes its time."""


def find_browser() -> str | None:
    """Path of a browser of the system; None for Playwright's own."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


def screenshot(session: Session, output: Path) -> None:
    """Serve a session, open its page, and write what is seen as a PNG file.

    Args:
        session: with a picture open.
        output: the file.

    Raises:
        ValueError: Playwright is not installed, or has no browser; says what to do.
    """
    write_atomically(output, asyncio.run(_seen(session)))


async def _seen(session: Session) -> bytes:
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise ValueError(
            "a screenshot is taken by Playwright, which is not installed: pip install playwright"
        ) from error
    opened = bound_socket(0)
    studio = Studio(session, opened.getsockname()[1])
    runner = web.AppRunner(studio.app, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, opened).start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_browser())
            width, height = SIZE
            page = await browser.new_page(viewport={"width": width, "height": height})
            await page.goto(studio.address)
            ready = page.locator("html[data-ready=true]")
            await ready.wait_for(state="attached", timeout=PATIENCE)
            return await page.screenshot()
    except Error as error:
        raise ValueError(
            "the browser for the screenshot failed; `make browser` installs one "
            f"({str(error).splitlines()[0]})"
        ) from error
    finally:
        await runner.cleanup()
