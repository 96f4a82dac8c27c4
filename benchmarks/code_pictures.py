"""Pictures of what two codes do on faces: canonical faces, swaps, a sequence that drives others.

After Figures 2, 8 and 11 of Xing et al. (TPAMI 2022); for every method that encodes and decodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.canvas import Sheet, tile_size
from benchmarks.grids import lay_grid
from benchmarks.samples import Driver
from lightning_modules.interface import Codes, HasCanonical, HasCodes, HasDecoder, Method

Array = NDArray[Any]

SWAPPED: Final = 6
SHOWN: Final = 6
_SIDE: Final = 128


@torch.no_grad()
def draw_swaps(arrays: Mapping[str, Array], method: Method | None, title: str) -> Sheet | None:
    """Every face's looks on every face's geometry (Figure 11)."""
    if "test_images" not in arrays:
        return None
    images = arrays["test_images"][:SWAPPED]
    codes = _codes(method, images)
    if codes is None:
        return None
    assert isinstance(method, HasDecoder)
    count = len(images)
    sheet = Sheet(
        "Looks of the left column, geometry of the upper row",
        title,
        rows=count + 1,
        columns=count + 1,
        tile=(_SIDE, _SIDE),
        gap=4,
    )
    sheet.photos(0, 1, images)
    for row in range(count):
        sheet.photos(row + 1, 0, images[row : row + 1])
        made = method.decode(_crossed(codes.where, codes.what[row]))
        sheet.photos(row + 1, 1, as_bytes(made))
    return sheet


@torch.no_grad()
def draw_transfer(driver: Driver, method: Method | None, title: str) -> Sheet | None:
    """A sequence of one person drives other faces (Figure 8).

    The sequence's *where* codes with each face's *what* code. A faithful split keeps who a face is,
    and its shape follows; the second column is the face with its own geometry.
    """
    frames, faces = _codes(method, driver.images), _codes(method, driver.faces)
    if frames is None or faces is None:
        return None
    assert isinstance(method, HasDecoder)
    sheet = Sheet(
        f"One person's {driver.kind} on other faces",
        title,
        rows=len(driver.faces) + 1,
        columns=len(driver.images) + 2,
        tile=(_SIDE, _SIDE),
        top=26,
        left=110,
        gap=4,
    )
    for column, name in enumerate(("input", "own geometry", *driver.names)):
        # The first two stand over the faces, below the driver.
        left, top, width, _ = sheet.box(int(column < 2), column)
        sheet.text(left + width / 2, top - 8, name, size=7, ha="center")
    sheet.photos(0, 2, driver.images)
    sheet.row_name(0, "driver")
    for row in range(len(driver.faces)):
        sheet.photos(row + 1, 0, driver.faces[row : row + 1])
        where = torch.cat([faces.where[row : row + 1], frames.where])
        made = method.decode(_crossed(where, faces.what[row]))
        sheet.photos(row + 1, 1, as_bytes(made))
    return sheet


@torch.no_grad()
def draw_canonical(arrays: Mapping[str, Array], method: Method | None, title: str) -> Sheet | None:
    """Input, canonical face under a square grid, reconstruction under the warped one (Figure 2)."""
    if not isinstance(method, HasCanonical) or "test_images" not in arrays:
        return None
    images = arrays["test_images"][:SHOWN]
    canonical, field, rebuilt = method.canonical(as_batch(method, images))
    sheet = Sheet(
        "Canonical pictures, and how the field warps them",
        title,
        rows=4,
        columns=len(images),
        tile=tile_size(images.shape[1:3]),
        left=120,
    )
    before, made = as_bytes(canonical), as_bytes(rebuilt)
    rows = {
        "input": images,
        "canonical": lay_grid(before, None, sheet.tile),
        "warped": lay_grid(made, field, sheet.tile),
        "recon-\nstruction": made,
    }
    for row, (name, pictures) in enumerate(rows.items()):
        sheet.row_name(row, name)
        sheet.photos(row, 0, pictures)
    return sheet


def as_batch(method: nn.Module, images: Array) -> Tensor:
    """Pictures (N, H, W, C) uint8 as (N, C, H, W) in [0, 1], where the method is."""
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return pixels.to(device) / 255


def as_bytes(images: Tensor) -> Array:
    """Pictures (N, C, H, W) as (N, H, W, C) uint8; what leaves [0, 1] is clamped."""
    pixels: Array = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _codes(method: Method | None, images: Array) -> Codes | None:
    """Codes of pictures, if the method has two and paints from them."""
    if not (isinstance(method, HasCodes) and isinstance(method, HasDecoder)):
        return None
    codes = method.encode(as_batch(method, images))
    return None if torch.equal(codes.where, codes.what) else codes


def _crossed(where: Tensor, what: Tensor) -> Codes:
    """Each *where* code (N, ...) with one and the same *what* code (...)."""
    return Codes(where, what.expand(len(where), *what.shape))
