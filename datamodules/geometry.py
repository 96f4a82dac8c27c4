"""Which part of an aligned CelebA picture is shown, at any size, and where its landmarks go.

Every paper's code resizes a part of the 178 x 218 picture (the *frame*) and cuts a margin from it;
what is left (the *view*) is what methods see. A `Preset` holds those numbers, `Geometry` applies
them at any output size in one resampling: Pillow's ``resize(box=...)`` with its bilinear filter,
which averages over all source pixels that fall into an output pixel and takes boxes of fractional
pixels. At a preset's own size that is its recipe to the last bit: resizing the frame and cutting
the margin. At another size the view covers the same field, resampled once, where resizing the
recipe's picture again would blur it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.coordinates import Box, within_box

WIDTH: Final = 178
HEIGHT: Final = 218

Crop = Literal["dlp", "keynet", "lmdis", "dve", "dve-smallnet"]


@dataclass(frozen=True)
class Preset:
    """A paper's geometry.

    Args:
        frame: part of the 178 x 218 picture that is resized, in whole pixels.
        resize: side to which it is resized (both axes alike, so a frame that is no square is
            squashed).
        margin: pixels then cut from every side.
        source: where the numbers stand.
    """

    frame: Box
    resize: int
    margin: int
    source: str

    @property
    def size(self) -> int:
        """Side of the pictures of the paper's code."""
        return self.resize - 2 * self.margin


_SQUARE = Box(0, 30, 178, 208)
_WHOLE = Box(0, 0, 178, 218)

PRESETS: Final[dict[str, Preset]] = {
    "dlp": Preset(_SQUARE, 160, 16, "Deep Latent Particles, released code; 128 px"),
    "dve": Preset(_SQUARE, 136, 20, "DVE (Thewlis et al. 2019), hourglass; 96 px"),
    "dve-smallnet": Preset(_SQUARE, 100, 15, "DVE (Thewlis et al. 2019), SmallNet; 70 px"),
    # differs from the released code: its bilinear resize does not average over source pixels.
    "keynet": Preset(_WHOLE, 160, 16, "KeyNet (Jakab et al. 2018), released code; 128 px"),
    "lmdis": Preset(_WHOLE, 100, 10, "Zhang et al. 2018, released code (lmdis-rep); 80 px"),
}


@dataclass(frozen=True)
class Geometry:
    """A preset at an output size.

    Args:
        preset: the paper's numbers.
        image_size: side of the view in pixels.
    """

    preset: Preset
    image_size: int

    @property
    def view(self) -> Box:
        """The part of the source picture that is shown."""
        return self.preset.frame.scaled(self.preset.size / self.preset.resize)

    @property
    def margin(self) -> int:
        """Whole pixels stored beyond every side of the view: the preset's margin, rounded down."""
        return self.image_size * self.preset.margin // self.preset.size

    @property
    def side(self) -> int:
        """Side of the stored picture: the view and its margins."""
        return self.image_size + 2 * self.margin

    @property
    def stored(self) -> Box:
        """The part of the source picture that is stored; never more than the preset's frame."""
        # Of the frame, not of the view: the factor is exactly 1 at a preset's own size.
        return self.preset.frame.scaled(
            self.side * self.preset.size / (self.image_size * self.preset.resize)
        )

    def resample(self, image: Image.Image) -> NDArray[np.uint8]:
        """A 178 x 218 RGB picture as it is stored: (side, side, 3) uint8."""
        frame, stored = self.preset.frame, self.stored
        # Cut out the frame first, as the recipes do: Pillow picks the order of its two passes by
        # the picture's shape, and rounds in between.
        inner = Box(
            stored.left - frame.left,
            stored.top - frame.top,
            stored.right - frame.left,
            stored.bottom - frame.top,
        )
        cut = image.crop((int(frame.left), int(frame.top), int(frame.right), int(frame.bottom)))
        return np.asarray(cut.resize((self.side, self.side), Image.Resampling.BILINEAR, box=inner))

    def landmarks(self, xy_pixels: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Points (..., 2) in pixels of the 178 x 218 picture, in the view's [-1, 1].

        Points outside the view lie outside [-1, 1].

        differs from the released code: a whole number is the centre of a pixel, where the released
        code scales it as if it were the pixel's corner; at 128 px that is 0.05 px.
        """
        return within_box(np.asarray(xy_pixels, np.float64), self.view).astype(np.float32)
