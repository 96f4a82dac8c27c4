"""Clips side by side: some frames of each as a still sheet, and all of them moving as a film.

A film is a sheet whose tiles move: its words are drawn once, and the frames put into their places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from benchmarks.canvas import Sheet, enlarged, tile_size
from benchmarks.clip_samples import evenly
from benchmarks.video_files import write_gif, write_mp4

Array = NDArray[Any]

FRAMES: Final = 8
"""Of a clip on a still sheet."""
GIF_FRAMES: Final = 64
"""What bounds the size of a GIF, and the memory that its colours are chosen in."""
TILE: Final = 128
_LEFT: Final = 200
_TOP: Final = 52
_LINE: Final = 20
_GAP: Final = 4


@dataclass(frozen=True)
class Scene:
    """Clips (T, H, W, 3 or 1) uint8 of one size, as a sheet and as a film.

    Args:
        heading: what they show.
        strips: the sheet's rows from its top, each a clip and its name.
        film: rows of the film; None leaves a place empty.
        rows: names of the film's rows.
        columns: names of its columns; a name may have several lines.
    """

    heading: str
    strips: Sequence[tuple[str, Array]]
    film: Sequence[Sequence[Array | None]]
    rows: Sequence[str]
    columns: Sequence[str]

    def sheet(self, title: str) -> Sheet:
        """Frames of each clip, evenly from its first to its last."""
        shown = evenly(len(self.strips[0][1]), FRAMES)
        sheet = Sheet(
            self.heading,
            title,
            rows=len(self.strips),
            columns=len(shown),
            tile=clip_tile(self.strips[0][1]),
            left=_LEFT,
            top=_TOP - _LINE,
            gap=_GAP,
        )
        name_columns(sheet, [f"frame {place + 1}" for place in shown])
        for row, (name, clip) in enumerate(self.strips):
            sheet.row_name(row, name)
            sheet.photos(row, 0, clip[shown])
        return sheet

    def frames(self, title: str) -> Iterator[Array]:
        """The film's frames, (height, width, 3) uint8."""
        clips = {
            (row, column): clip
            for row, line in enumerate(self.film)
            for column, clip in enumerate(line)
            if clip is not None
        }
        first = next(iter(clips.values()))
        sheet = Sheet(
            self.heading,
            title,
            rows=len(self.film),
            columns=len(self.columns),
            tile=clip_tile(first),
            left=_LEFT,
            top=_TOP,
            gap=_GAP,
        )
        name_columns(sheet, self.columns)
        for row, name in enumerate(self.rows):
            sheet.row_name(row, name)
        still = sheet.pixels()
        for moment in range(len(first)):
            tiles = {place: enlarged(clip[moment], sheet.tile) for place, clip in clips.items()}
            yield sheet.paste(still.copy(), tiles)

    def save(self, folder: Path, name: str, title: str) -> list[Path]:
        """Write ``name.png``, ``name.mp4`` and ``name.gif``, each whole or not at all.

        Of long clips the GIF has the first `GIF_FRAMES` alone.
        """
        return [
            self.sheet(title).save(folder / f"{name}.png"),
            write_mp4(folder / f"{name}.mp4", self.frames(title)),
            write_gif(folder / f"{name}.gif", islice(self.frames(title), GIF_FRAMES)),
        ]


def clip_tile(clip: Array) -> tuple[int, int]:
    """Height and width of the tiles of a clip (T, H, W, C)."""
    height, width = clip.shape[1:3]
    return tile_size((height, width), TILE)


def name_columns(sheet: Sheet, names: Sequence[str]) -> None:
    """Write the names of a sheet's columns, from the first, above its tiles."""
    for column, name in enumerate(names):
        left, top, width, _ = sheet.box(0, column)
        sheet.text(left + width / 2, top - 8, name, size=7, ha="center", va="bottom")
