"""Sheets of pictures: laid out in whole pixels, rendered off screen, written whole.

A photograph's pixels are drawn one to one after being enlarged by a whole factor, and everything
drawn on it is given in [-1, 1] with the picture's outer edges at -1 and +1; so a marker sits where
the method said, to a fraction of a screen pixel. matplotlib's object interface only: no window, no
global figure, safe in worker processes and notebooks.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from benchmarks.files import write_atomically

Array = NDArray[Any]

DPI: Final = 150
TILE: Final = 256
"""Least height of an enlarged photograph, where a whole factor of at most 8 reaches it."""
INK: Final = "#1b1f24"
GREY: Final = "#5c6670"
GRID: Final = "#dfe3e8"
# Okabe and Ito's palette: told apart with any colour vision.
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"

_MARGIN: Final = 30
_HEADER: Final = 84
_GAP: Final = 12
_LEAST_WIDTH: Final = 1000  # the title's line


class Sheet:
    """A white sheet with a heading, a grid of equal tiles and a strip below it.

    Args:
        heading: what the picture shows.
        title: which cell it belongs to.
        rows: tiles downwards.
        columns: tiles to the right.
        tile: height and width of a tile, in pixels of the sheet.
        caption: pixels left free below each tile.
        left: pixels left free beside the grid, for names of rows.
        right: pixels left free on the other side.
        top: pixels left free above the grid, for names of diagrams.
        foot: pixels left free at the bottom, for a legend.
        gap: pixels between tiles.
    """

    def __init__(
        self,
        heading: str,
        title: str,
        *,
        rows: int,
        columns: int,
        tile: tuple[int, int],
        caption: int = 0,
        left: int = 0,
        right: int = 0,
        top: int = 0,
        foot: int = 0,
        gap: int = _GAP,
    ) -> None:
        self.tile = tile
        self.caption = caption
        self.gap = gap
        self.origin = (_MARGIN + left, _HEADER + top)
        grid_width = columns * tile[1] + (columns - 1) * gap
        grid_height = rows * (tile[0] + caption) + (rows - 1) * gap
        self.width = max(_LEAST_WIDTH, 2 * _MARGIN + left + grid_width + right)
        self.height = _HEADER + top + grid_height + foot + _MARGIN
        # The renderer cuts off fractions: a millionth keeps 1054 from becoming 1053.
        size = ((self.width + 1e-6) / DPI, (self.height + 1e-6) / DPI)
        self.figure = Figure(figsize=size, dpi=DPI, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)
        self.text(_MARGIN, 36, heading, size=11, weight="bold")
        self.text(_MARGIN, 64, title, size=7.5, color=GREY)
        self.foot_top = self.height - _MARGIN - foot

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Left, top, width and height of a tile, in pixels from the sheet's upper left corner."""
        height, width = self.tile
        left = self.origin[0] + column * (width + self.gap)
        top = self.origin[1] + row * (height + self.caption + self.gap)
        return left, top, width, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes in a rectangle of pixels, measured from the sheet's upper left corner."""
        bottom = self.height - top - height
        return self.figure.add_axes(
            (
                left / self.width,
                bottom / self.height,
                width / self.width,
                height / self.height,
            )
        )

    def photo(self, row: int, column: int, image: Array, *, caption: str = "") -> Axes:
        """Show a picture in a tile, and give axes in which it spans [-1, 1], y downwards.

        Args:
            row: from the top.
            column: from the left.
            image: (H, W, 3) or grey (H, W, 1), uint8; enlarged to the tile.
            caption: a line below.
        """
        left, top, width, height = self.box(row, column)
        axes = self.axes(left, top, width, height)
        axes.imshow(
            enlarged(image, self.tile),
            extent=(-1, 1, 1, -1),
            interpolation="nearest",
            aspect="auto",
        )
        axes.set_axis_off()
        axes.set_xlim(-1, 1)
        axes.set_ylim(1, -1)
        if caption:
            self.text(left + width / 2, top + height + 20, caption, size=7, ha="center")
        return axes

    def photos(self, row: int, column: int, images: Array) -> None:
        """Show pictures (n, H, W, 3 or 1) uint8 side by side, the first in a tile; quick for many.

        One image in all: axes take longer than pixels.
        """
        left, top, width, height = self.box(row, column)
        step = width + self.gap
        strip = np.full((height, len(images) * step - self.gap, 3), 255, np.uint8)
        for place, image in enumerate(images):
            strip[:, place * step : place * step + width] = enlarged(image, self.tile)
        axes = self.axes(left, top, strip.shape[1], height)
        axes.imshow(strip, interpolation="nearest", aspect="auto")
        axes.set_axis_off()

    def row_name(self, row: int, name: str, *, indent: int = 0) -> None:
        """Name a row on its left; ``indent`` pixels further in."""
        _, top, _, height = self.box(row, 0)
        self.text(_MARGIN + indent, top + height / 2, name, size=8, va="center")

    def strip(self, height: float) -> Axes:
        """Axes over the whole width at the foot of the sheet, in pixels, y downwards."""
        axes = self.axes(0, self.foot_top, self.width, height)
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(height, 0)
        return axes

    def text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Write words with their base line at a pixel."""
        style = {"color": INK, "size": 8, "va": "baseline", **style}
        self.figure.text(x / self.width, 1 - y / self.height, words, **style)

    def pixels(self) -> Array:
        """The rendered sheet, (height, width, 3) uint8."""
        self.canvas.draw()  # type: ignore[no-untyped-call]
        rgba = np.array(self.canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        return np.ascontiguousarray(rgba[..., :3])

    def save(self, path: Path) -> Path:
        """Write the sheet as a PNG file, whole or not at all."""
        stream = io.BytesIO()
        Image.fromarray(self.pixels()).save(stream, format="PNG", dpi=(DPI, DPI))
        write_atomically(path, stream.getvalue())
        return path


def enlarged(image: Array, tile: tuple[int, int]) -> Array:
    """A picture (H, W, 3) or grey (H, W, 1), uint8, in colours and of a tile's size."""
    coloured = image if image.shape[-1] == 3 else image.repeat(3, -1)
    height, width = tile
    return np.asarray(Image.fromarray(coloured).resize((width, height), Image.Resampling.BICUBIC))


def tile_size(image_size: tuple[int, int], about: int = TILE) -> tuple[int, int]:
    """Height and width of an enlarged picture: a whole multiple, ``about`` so many pixels high."""
    height, width = image_size
    factor = min(8, max(1, round(about / height)))
    return height * factor, width * factor


def dots(
    axes: Axes, points: Array, *, area: float | Array, width: float, edge: str, **style: Any
) -> None:
    """Draw discs exactly where they belong.

    Args:
        axes: as `Sheet.photo` gives them.
        points: (N, 2), (x, y).
        area: of each, in square points.
        width: of the edge, in points.
        edge: its colour.
        style: what else ``Axes.scatter`` takes.
    """
    x, y = points.T
    # The renderer moves markers to whole pixels if all are alike; two widths, though equal, are
    # enough to make it draw each one by its own path.
    axes.scatter(x, y, s=area, linewidths=[width, width], edgecolors=edge, snap=False, **style)


def tidy(axes: Axes, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Give a diagram light grid lines, no box and small labels."""
    axes.set_facecolor("white")
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(which="both", labelsize=7, colors=GREY, labelcolor=INK)


def ordered_colours(n: int) -> list[tuple[float, float, float, float]]:
    """``n`` colours from dark violet to yellow, in perceived order, for any colour vision."""
    colormap = matplotlib.colormaps["viridis"]
    return [colormap(place) for place in np.linspace(0.0, 1.0, max(n, 2))][:n]
