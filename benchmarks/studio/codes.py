"""Geometry and appearance of faces as sliders (Xing et al., TPAMI 2022, Figures 2, 3, 4 and 11).

The state mixes the codes of two pictures, and sets single numbers:
``{"geometry": 0.5, "appearance": 0, "where": {"12": 3.0}, "what": {}}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.basis_pictures import strongest
from benchmarks.code_pictures import as_batch
from benchmarks.schema import describe
from benchmarks.studio.desk import Array, Painted, Slot, coloured, eased, plain
from lightning_modules.deformable.network import Painted as Generated
from lightning_modules.deformable.painter import CodePainter
from lightning_modules.interface import Codes, HasClasses
from lightning_modules.layers.warp import base_grid

GRID: Final = 32
"""Points a side at which the page learns where the field looks."""
LEAST_REACH: Final = 4.0
"""Of a slider, in standard deviations of the prior; inferred codes reach farther."""
_SWEEP: Final = 4.0

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Numbers = dict[Annotated[int, Field(ge=0)], Finite]


class CodeState(BaseModel):
    """Shares of the other picture's codes, and numbers that are set, by dimension."""

    model_config = ConfigDict(extra="forbid")

    geometry: Share = 0.0
    appearance: Share = 0.0
    where: Numbers = {}
    what: Numbers = {}


class PaintCodes(nn.Module):
    """Both codes -> the picture, the canonical one, and where the field looks."""

    def __init__(self, method: CodePainter) -> None:
        super().__init__()
        self.method = method

    def forward(self, where: Tensor, what: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Paint one picture.

        Args:
            where: (1, Dg).
            what: (1, Da).

        Returns:
            The picture and the canonical one (2, C, S, S) in [0, 1]; where the field looks at
            `GRID` points a side, (1, 2, GRID, GRID), (x, y) in [-1, 1]; and by which share of the
            picture's side it moves pixels on average, ().
        """
        made: Generated = self.method.generators(self.method.join(Codes(where, what)))
        assert made.displacement is not None
        grid = base_grid(*made.displacement.shape[-2:], like=made.displacement)
        looked = grid.permute(2, 0, 1) + made.displacement
        coarse = F.interpolate(looked, (GRID, GRID), mode="bilinear", align_corners=False)
        pictures = torch.cat([made.picture, made.canonical]).clamp(0, 1)
        return pictures, coarse, made.displacement.norm(dim=1).mean() / 2


class CodeDesk:
    """Mixes, swaps and changes the two codes of a picture.

    Args:
        method: with generators of geometry and appearance, in evaluation mode.
    """

    kind: ClassVar[str] = "codes"
    slots: ClassVar[tuple[Slot, ...]] = ("main", "other")

    def __init__(self, method: CodePainter) -> None:
        self.method = method
        self.painter = PaintCodes(method)
        self._codes: dict[Slot, Codes] = {}
        self._image: Tensor | None = None

    @property
    def codes(self) -> Codes:
        """Of the picture that is open: *where* (1, Dg), *what* (1, Da)."""
        assert "main" in self._codes, "no picture is open"
        return self._codes["main"]

    @property
    def image(self) -> Tensor:
        """The picture that is open, (1, C, S, S) in [0, 1]."""
        assert self._image is not None, "no picture is open"
        return self._image

    @cached_property
    def order(self) -> dict[str, list[int]]:
        """Dimensions of the codes that slide, those that change the picture most first."""
        # A class is one of several: nothing lies between, so there is nothing to slide.
        parts = ["where"] if isinstance(self.method, HasClasses) else ["where", "what"]
        with torch.no_grad():
            base = self.method.prior_mean()
            return {part: strongest(self.method, base, part, _SWEEP) for part in parts}

    def open(self, slot: Slot, image: Array) -> None:
        """Infer the codes of a picture; by a chain this takes seconds."""
        batch = as_batch(self.method, image[None])
        self._codes[slot] = self.method.encode(batch)
        if slot == "main":
            self._image = batch

    def about(self) -> dict[str, Any]:
        """Dimensions of both codes, those that change most first, and the reach of sliders."""
        found = torch.cat([code.abs().flatten() for both in self._codes.values() for code in both])
        return {
            "order": self.order,
            "reach": round(max(LEAST_REACH, 1.2 * float(found.max())), 1),
            "bound": self.method.shape.bound,
        }

    @torch.no_grad()
    def paint(self, state: Any) -> Painted:
        """Paint a state: the picture, the canonical one, and where the field looks."""
        codes = self._mixed(_parsed(state))
        pictures, looked, moved = self.painter(codes.where, codes.what)
        facts = {
            "where": plain(codes.where[0], 3),
            "what": plain(codes.what[0], 3),
            "looked": plain(looked[0], 3),
            "displacement": round(float(moved), 4),
        }
        return Painted(coloured(pictures), facts)

    @torch.no_grad()
    def film(self, state: Any) -> Iterator[Array]:
        """From the picture's own codes to those of the state, along a line."""
        start, end = self._mixed(CodeState()), self._mixed(_parsed(state))
        for share in eased():
            codes = Codes(*(torch.lerp(*ends, share) for ends in zip(start, end, strict=True)))
            yield coloured(self.method.decode(codes))[0]

    def _mixed(self, state: CodeState) -> Codes:
        if "other" not in self._codes and (state.geometry or state.appearance):
            raise ValueError("there is no second picture to take a code from: open one")
        here = self.codes
        there = self._codes.get("other", here)
        where = torch.lerp(here.where, there.where, state.geometry)
        what = torch.lerp(here.what, there.what, state.appearance)
        return Codes(_with(where, state.where, "where"), _with(what, state.what, "what"))


def _parsed(state: Any) -> CodeState:
    try:
        return CodeState.model_validate(state)
    except ValidationError as error:
        raise ValueError(f"this is no state of two codes: {describe(error)}") from error


def _with(code: Tensor, numbers: Numbers, name: str) -> Tensor:
    changed = code.clone()
    for dimension, value in numbers.items():
        if dimension >= code.shape[1]:
            raise ValueError(f"{name} has no number {dimension}: they are 0 to {code.shape[1] - 1}")
        changed[:, dimension] = value
    return changed
