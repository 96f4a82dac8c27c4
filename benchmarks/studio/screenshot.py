"""A picture of the studio's page."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.photographs import View, photograph
from benchmarks.studio.server import serving
from benchmarks.studio.session import Session


def screenshot(session: Session, output: Path) -> None:
    """Serve a session, open its page, and write what is seen as a PNG file.

    Args:
        session: with a picture open.
        output: the file.

    Raises:
        ValueError: Playwright is not installed, or has no browser; says what to do.
    """
    asyncio.run(_served(session, output))


async def _served(session: Session, output: Path) -> None:
    async with serving(session) as studio:
        await photograph(View(studio.address), output)
