"""Pictures inside the page: as WebP in data addresses, together no larger than they may be."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

BYTES: Final = 3_300_000
"""Of all pictures of a page; a third more as text."""
WIDEST: Final = 1100
NARROWEST: Final = 480
_QUALITY: Final = 62
_TRIED: Final = 6

Encoded = dict[Path, tuple[bytes, tuple[int, int]]]
"""Files as WebP, with width and height."""


@dataclass(frozen=True)
class Picture:
    """A picture in the page.

    Args:
        name: what it shows, from its file.
        address: a ``data:`` address.
        width: pixels.
        height: pixels.
    """

    name: str
    address: str
    width: int
    height: int


def embed(files: Sequence[Path], limit: int = BYTES) -> tuple[dict[Path, Picture], list[str]]:
    """Read pictures, all shrunk alike until they fit.

    Args:
        files: in the order of what is given up last.
        limit: bytes of all together.

    Returns:
        The pictures that could be read and fit, and a sentence for each kind of loss.
    """
    # A few tell how large all will be, so that most are encoded once.
    few, _ = _encoded(files[:: max(1, len(files) // _TRIED)], WIDEST)
    width = _narrower(WIDEST, _bytes(few) * len(files) / max(1, len(few)), limit)
    made, problems = _encoded(files, width)
    while _bytes(made) > limit and width > NARROWEST:
        width = _narrower(width, _bytes(made), limit)
        made, problems = _encoded(files, width)
    kept: dict[Path, Picture] = {}
    left = limit
    for file, (content, size) in made.items():
        if len(content) <= left:
            left -= len(content)
            text = base64.b64encode(content).decode()
            kept[file] = Picture(file.stem, f"data:image/webp;base64,{text}", *size)
    if len(kept) < len(made):
        problems.append(
            f"{len(made) - len(kept)} of {len(made)} pictures are left out, for the page would be "
            "too large; report fewer tables at once, or look into the cells' folders"
        )
    return kept, problems


def _bytes(made: Encoded) -> int:
    return sum(len(content) for content, _ in made.values())


def _narrower(width: int, total: float, limit: int) -> int:
    """The width at which ``total`` bytes become ``limit``; they go with the area."""
    if total <= limit:
        return width
    # A little more than needed, for pictures that are small already do not shrink.
    return max(NARROWEST, int(width * (limit / total) ** 0.5 * 0.95))


def _encoded(files: Sequence[Path], width: int) -> tuple[Encoded, list[str]]:
    made: Encoded = {}
    broken = []
    for file in files:
        try:
            with Image.open(file) as image:
                image.load()
                shown = image.convert("RGB")
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            broken.append(f"{file.parent.parent.name}/{file.name} is no picture: {error}")
            continue
        if shown.width > width:
            height = round(shown.height * width / shown.width)
            shown = shown.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        stream = io.BytesIO()
        shown.save(stream, format="WEBP", quality=_QUALITY, method=2)
        made[file] = stream.getvalue(), shown.size
    return made, broken
