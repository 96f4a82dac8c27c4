"""A method whose painting is known, and clips that it paints again exactly.

*Where* of a frame are the levels of the left half's upper and lower quarter, *what* is that of the
right half.
"""

import numpy as np
import torch

from benchmarks.clip_samples import Clips
from lightning_modules.interface import Codes, Method

T, SIZE = 6, 8


class Quarters(Method):
    def encode_clip(self, clip):
        level = clip.mean(2)
        return Codes(level[..., [0, -1], 0], level[..., :1, -1])

    def decode_clip(self, codes):
        count, frames = codes.where.shape[:2]
        clip = codes.what.view(count, frames, 1, 1, 1).repeat(1, 1, 3, SIZE, SIZE)
        for quarter, rows in enumerate((slice(0, SIZE // 2), slice(SIZE // 2, SIZE))):
            clip[..., rows, : SIZE // 2] = codes.where[..., quarter].view(count, frames, 1, 1, 1)
        return clip


class Drawn(Quarters):
    """Draws *where* that says which draw it is, and what it was given."""

    def draw_where_given(self, what, frames, generator):
        first = 0.1 * torch.arange(frames).expand(len(what), -1)
        return torch.stack([first, what.expand(-1, frames)], 2)


class One(Quarters):
    """The same with one code for both."""

    def encode_clip(self, clip):
        code = super().encode_clip(clip).where
        return Codes(code, code)

    def decode_clip(self, codes):
        return super().decode_clip(Codes(codes.where, 0 * codes.where[..., :1]))


def made(where, what):
    """Clips (n, T, SIZE, SIZE, 3) uint8 of levels (n, T, 2) and (n,) of 255."""
    clips = np.empty((*where.shape[:2], SIZE, SIZE, 3), np.uint8)
    clips[:] = what[:, None, None, None, None]
    clips[:, :, : SIZE // 2, : SIZE // 2] = where[:, :, 0, None, None, None]
    clips[:, :, SIZE // 2 :, : SIZE // 2] = where[:, :, 1, None, None, None]
    return clips


def shown(whole=None):
    """Three clips, and a fourth that is of nobody else; what is 0, 100, 200."""
    along = np.arange(T)
    first = np.stack([10 * along, 60 + 0 * along, 100 - 10 * along])
    where = np.stack([first, 100 + 20 * along[::-1] + 0 * first], 2)
    names = [f"person {n}, joy" for n in range(3)]
    return Clips(made(where, np.array([0, 100, 200])), names, [0, 1, 2], [], whole)


def levels(pixels):
    """Upper left, lower left and right of a picture (H, W, 3), well inside of each."""
    height, width = pixels.shape[:2]
    places = (
        (height // 4, width // 4),
        (3 * height // 4, width // 4),
        (height // 2, 3 * width // 4),
    )
    return [int(pixels[place][0]) for place in places]


def tiles(sheet):
    """The pixels of a sheet's tile at a row and a column; it is rendered once."""
    pixels = sheet.pixels()

    def tile(row, column):
        left, top, width, height = sheet.box(row, column)
        return pixels[top : top + height, left : left + width]

    return tile
