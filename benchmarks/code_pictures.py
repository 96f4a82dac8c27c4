"""Pictures of what two codes do: basis functions, canonical faces, swaps, views.

After Figures 2 to 5 and 11 of Xing et al. (TPAMI 2022); for every method that encodes and decodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.canvas import INK, VERMILION, Sheet, tile_size
from lightning_modules.interface import (
    Codes,
    HasCanonical,
    HasClasses,
    HasCodes,
    HasDecoder,
    HasPrior,
    Method,
)
from lightning_modules.layers.warp import base_grid

Array = NDArray[Any]

POINTS: Final = 10
GAMMA: Final = 3.0
"""Reach of a sweep, in standard deviations of the prior; the paper's figures go to 10."""
DIMENSIONS: Final = 6
SWAPPED: Final = 6
SHOWN: Final = 6
_GRID: Final = 8
_SIDE: Final = 96


def sweep(method: HasDecoder, base: Codes, part: str, dimension: int, gamma: float) -> Tensor:
    """Pictures (POINTS, C, H, W) along one dimension of one code, all else as in ``base``.

    Args:
        method: decodes.
        base: codes (1, D) of one picture.
        part: ``where`` or ``what``.
        dimension: of that code.
        gamma: the dimension goes from -gamma to gamma.
    """
    moved = getattr(base, part).repeat(POINTS, 1)
    moved[:, dimension] = torch.linspace(-gamma, gamma, POINTS, device=moved.device)
    return method.decode(_with(base, part, moved))


def strongest(method: HasDecoder, base: Codes, part: str, gamma: float) -> list[int]:
    """Dimensions of a code, by how much the picture changes from one end to the other."""
    size = getattr(base, part).shape[1]
    ends = []
    for end in (-gamma, gamma):
        moved = getattr(base, part).repeat(size, 1).fill_diagonal_(end)
        ends.append(method.decode(_with(base, part, moved)))
    change = (ends[1] - ends[0]).abs().flatten(1).mean(1)
    order: list[int] = change.argsort(descending=True).tolist()
    return order


@torch.no_grad()
def draw_basis(method: Method | None, title: str, *, gamma: float = GAMMA) -> Sheet | None:
    """The six strongest dimensions of each code, from -gamma to gamma, the rest at zero.

    A faithful split shows one face that only turns or changes shape above, and faces of one shape
    that only change in looks below.
    """
    if not isinstance(method, HasPrior):
        return None
    base = method.prior_mean()
    # Of classes there is nothing to sweep; an entangled method has one code.
    one = isinstance(method, HasClasses) or base.where is base.what
    parts = ["where"] if one else ["where", "what"]
    rows = [
        (part, dimension)
        for part in parts
        for dimension in strongest(method, base, part, gamma)[:DIMENSIONS]
    ]
    sheet = Sheet(
        f"Basis functions: one number of a code from -{gamma:g} to {gamma:g}, the others zero",
        title,
        rows=len(rows),
        columns=POINTS,
        tile=(_SIDE, _SIDE),
        left=110,
        gap=2,
    )
    for row, (part, dimension) in enumerate(rows):
        for column, image in enumerate(_shown(sweep(method, base, part, dimension, gamma))):
            sheet.photo(row, column, image)
        name = "code" if base.where is base.what else part
        _row_name(sheet, row, f"{name} {dimension}")
    return sheet


@torch.no_grad()
def draw_swaps(arrays: Mapping[str, Array], method: Method | None, title: str) -> Sheet | None:
    """Every face's looks on every face's geometry (Figure 11)."""
    if method is None or not isinstance(method, HasDecoder) or "test_images" not in arrays:
        return None
    codes = _codes_of(method, arrays, SWAPPED)
    if codes is None or torch.equal(codes.where, codes.what):
        return None
    images = arrays["test_images"][:SWAPPED]
    count = len(images)
    sheet = Sheet(
        "Looks of the left column, geometry of the upper row",
        title,
        rows=count + 1,
        columns=count + 1,
        tile=(_SIDE, _SIDE),
        gap=4,
    )
    for place, image in enumerate(images):
        sheet.photo(0, place + 1, image)
        sheet.photo(place + 1, 0, image)
    for row in range(count):
        what = codes.what[row : row + 1].expand(count, *codes.what.shape[1:])
        for column, image in enumerate(_shown(method.decode(Codes(codes.where[:count], what)))):
            sheet.photo(row + 1, column + 1, image)
    return sheet


@torch.no_grad()
def draw_canonical(arrays: Mapping[str, Array], method: Method | None, title: str) -> Sheet | None:
    """Input, canonical face with a square grid, the grid as it is warped, and reconstruction."""
    if not isinstance(method, HasCanonical) or "test_images" not in arrays:
        return None
    images = arrays["test_images"][:SHOWN]
    canonical, field, rebuilt = method.canonical(_batch(method, images))
    tile = tile_size(images.shape[1:3])
    sheet = Sheet(
        "Canonical faces, and how the field warps them",
        title,
        rows=4,
        columns=len(images),
        tile=tile,
        left=120,
    )
    names = ("input", "canonical", "where pixels\nlook", "recon-\nstruction")
    grid = base_grid(*field.shape[-2:], like=field).permute(2, 0, 1)
    looked = (grid + field).cpu().numpy()
    shown = (images, _shown(canonical), _shown(canonical), _shown(rebuilt))
    for row, (name, pictures) in enumerate(zip(names, shown, strict=True)):
        _row_name(sheet, row, name)
        for column, picture in enumerate(pictures):
            axes = sheet.photo(row, column, picture)
            if row == 2:
                _lines(axes, looked[column])
    return sheet


def draw_views(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Test faces of the five views, and what the method makes of them."""
    if "view_images" not in arrays:
        return None
    images, rebuilt, errors = (arrays[f"view_{name}"] for name in ("images", "rebuilt", "errors"))
    views, count = images.shape[:2]
    tile = tile_size(images.shape[2:4])
    sheet = Sheet(
        "Faces of the five views, and their reconstructions",
        title,
        rows=2 * count,
        columns=views,
        tile=tile,
        caption=30,
        left=120,
    )
    degrees = ("-30°", "-15°", "0°", "15°", "30°")
    for shot in range(count):
        for column in range(views):
            sheet.photo(2 * shot, column, images[column, shot], caption=degrees[column])
            words = f"squared error {errors[column, shot]:.0f}"
            sheet.photo(2 * shot + 1, column, rebuilt[column, shot], caption=words)
        _row_name(sheet, 2 * shot, "input")
        _row_name(sheet, 2 * shot + 1, "recon-\nstruction")
    return sheet


def _with(base: Codes, part: str, moved: Tensor) -> Codes:
    """Codes (N, D) with one part moved; of an entangled method both are the same code."""
    if base.where is base.what:
        return Codes(moved, moved)
    others = {name: code.expand(len(moved), -1) for name, code in base._asdict().items()}
    return Codes(**(others | {part: moved}))


def _row_name(sheet: Sheet, row: int, name: str) -> None:
    _, top, _, height = sheet.box(row, 0)
    sheet.text(30, top + height / 2, name, size=8, va="center")


def _lines(axes: Axes, looked: Array) -> None:
    """Every eighth row and column of the points (2, H, W) that pixels look at."""
    x, y = looked
    rows = np.linspace(0, len(x) - 1, _GRID + 1).round().astype(int)
    columns = np.linspace(0, x.shape[1] - 1, _GRID + 1).round().astype(int)
    lines = [(x[i], y[i]) for i in rows] + [(x[:, j], y[:, j]) for j in columns]
    for width, colour in ((2.0, INK), (0.9, VERMILION)):
        for along, down in lines:
            axes.plot(along, down, color=colour, linewidth=width, scalex=False, scaley=False)


def _batch(method: Method, images: Array) -> Tensor:
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return pixels.to(device) / 255


def _codes_of(method: Method, arrays: Mapping[str, Array], count: int) -> Codes | None:
    batch = _batch(method, arrays["test_images"][:count])
    return method.encode(batch) if isinstance(method, HasCodes) else None


def _shown(images: Tensor) -> Array:
    """Pictures (N, C, H, W) as (N, H, W, 3) uint8."""
    pixels: Array = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels if pixels.shape[-1] == 3 else pixels.repeat(3, -1)
