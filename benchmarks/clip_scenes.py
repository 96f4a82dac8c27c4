"""What two codes do on clips: swapped, moved, drawn anew, and the field laid over the frames.

After Figures 15 to 19 of Xing et al. (TPAMI 2022); of every method that encodes and paints clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.clip_samples import Clips
from benchmarks.code_pictures import as_batch, as_bytes
from benchmarks.films import Scene, clip_tile
from benchmarks.grids import lay_grid
from lightning_modules.interface import (
    Codes,
    HasClipCanonical,
    HasClipCodes,
    HasClipDecoder,
    HasClipField,
    HasClipPrior,
    Method,
)

Array = NDArray[Any]

SHIFTS: Final = (-2, -1, 0, 1, 2)
"""How far a number of *where* is moved, in its standard deviations over the clips shown."""
DIMENSIONS: Final = 3
DRAWN: Final = 4
_AT_ONCE: Final = 4


@dataclass(frozen=True)
class Encoded:
    """The clips shown, with what a method makes of them.

    Args:
        method: encodes and paints clips.
        shown: the n clips.
        codes: of all of them, (n, T, D) each.
        painted: from these again, (n, T, H, W, C) uint8.
    """

    method: Method
    shown: Clips
    codes: Codes
    painted: Array

    @property
    def entangled(self) -> bool:
        """Whether both codes are one."""
        return self.codes.where is self.codes.what

    def name(self, clip: int) -> str:
        """Of a clip, in lines."""
        return self.shown.names[clip].replace(", ", ",\n")


def encode(method: Method, shown: Clips) -> Encoded:
    """Infer the codes of the clips shown, and paint them again."""
    assert isinstance(method, HasClipCodes)
    count, frames = shown.clips.shape[:2]
    batch = as_batch(method, shown.clips.reshape(-1, *shown.clips.shape[2:]))
    codes = method.encode_clip(batch.view(count, frames, *batch.shape[1:]))
    return Encoded(method, shown, codes, paint(method, codes))


def paint(method: Method, codes: Codes) -> Array:
    """Clips (n, T, H, W, C) uint8 of codes (n, T, D), few at a time."""
    assert isinstance(method, HasClipDecoder)
    parts = zip(*(torch.split(code, _AT_ONCE) for code in codes), strict=True)
    return np.concatenate([_clip_bytes(method.decode_clip(Codes(*part))) for part in parts])


def reconstructions(found: Encoded) -> Scene:
    """Clips, and what the method paints from their codes."""
    people, painted = found.shown.people, found.painted
    strips = []
    for clip in people:
        given = found.shown.clips[clip]
        error = np.sqrt(((painted[clip] / 255 - given / 255) ** 2).mean())
        strips.append((found.name(clip), given))
        strips.append((f"painted again\nRMSE {error:.3f}", painted[clip]))
    return Scene(
        "Clips, painted again from their codes",
        strips,
        [[found.shown.clips[clip] for clip in people], [painted[clip] for clip in people]],
        ["input", "painted\nagain"],
        [found.name(clip) for clip in people],
    )


def swaps(found: Encoded) -> Scene | None:
    """*What* of every clip with *where* of every other (Figures 15 and 16).

    A faithful split keeps who it is in a row of the film, and what happens in a column.
    """
    people = found.shown.people
    if found.entangled or len(people) < 2:
        return None
    pairs = list(product(people, people))
    rows = torch.tensor(pairs, device=found.codes.where.device)
    crossed = Codes(where=found.codes.where[rows[:, 1]], what=found.codes.what[rows[:, 0]])
    made = dict(zip(pairs, paint(found.method, crossed), strict=True))
    strips = []
    for one, other in zip(people[::2], people[1::2], strict=False):
        strips += [(found.name(clip), found.shown.clips[clip]) for clip in (one, other)]
        strips += [
            (f"what of {_who(found, a)},\nwhere of {_who(found, b)}", made[a, b])
            for a, b in ((one, other), (other, one))
        ]
    return Scene(
        "What of one clip with where of another",
        strips,
        [
            [None, *(found.shown.clips[clip] for clip in people)],
            *([found.shown.clips[a], *(made[a, b] for b in people)] for a in people),
        ],
        ["where of", *(f"what of\n{_who(found, clip)}" for clip in people)],
        ["", *(found.name(clip) for clip in people)],
    )


def shapes(found: Encoded) -> Scene | None:
    """One clip with a constant added to *where* of all its frames (Figures 17 and 18).

    In the Dynamic Deformable Generator that is z_0 moved with the transitions kept: the shape of a
    whole clip is edited, and what happens stays. The numbers of the code are those that change the
    clip most; they are moved by their standard deviations over the clips shown.
    """
    if found.entangled:
        return None
    clip = found.shown.people[0]
    base = Codes(*(code[clip, None] for code in found.codes))
    directions = found.codes.where.flatten(0, 1).std(0).diag()
    strongest = change(found.method, base, SHIFTS[-1] * directions)
    top = strongest.argsort(descending=True)[:DIMENSIONS]
    steps = torch.tensor(SHIFTS, device=directions.device)[:, None]
    added = (directions[top, None] * steps).flatten(0, 1)
    made = paint(found.method, _moved(base, added))
    lines = dict(
        zip(top.tolist(), made.reshape(len(top), len(SHIFTS), *made.shape[1:]), strict=True)
    )
    ends = (0, len(SHIFTS) - 1)
    return Scene(
        f"Shape of {found.shown.names[clip]}: a constant added to where of all frames",
        [
            ("as it is,\npainted again", found.painted[clip]),
            *(
                (f"where {number}\n{_deviations(SHIFTS[end])}", line[end])
                for number, line in lines.items()
                for end in ends
            ),
        ],
        [list(line) for line in lines.values()],
        [f"where {number}" for number in lines],
        [_deviations(shift) for shift in SHIFTS],
    )


def change(method: Method, base: Codes, directions: Tensor) -> Tensor:
    """How much a clip changes from one end of every direction to the other, mean over its pixels.

    Args:
        method: paints.
        base: codes (1, T, D) of the clip.
        directions: (K, D), added to and taken from all frames of *where*.

    Returns:
        (K,).
    """
    assert isinstance(method, HasClipDecoder)
    found = []
    for part in torch.split(directions, _AT_ONCE):
        low, high = (method.decode_clip(_moved(base, sign * part)) for sign in (-1, 1))
        found.append((high.clamp(0, 1) - low.clamp(0, 1)).abs().flatten(1).mean(1))
    return torch.cat(found)


def canonical(found: Encoded) -> Scene | None:
    """Canonical frames under a square grid, and painted frames under the warped one."""
    method, people = found.method, found.shown.people
    if not (isinstance(method, HasClipCanonical) and isinstance(method, HasClipField)):
        return None
    before = _clip_bytes(method.canonical_clip(found.codes.what[people]))
    field = method.clip_field(found.codes.where[people])
    tile = clip_tile(before[0])
    lines = {
        "input": found.shown.clips[people],
        "canonical": np.stack([lay_grid(clip, None, tile) for clip in before]),
        "warped": np.stack(
            [
                lay_grid(found.painted[clip], moved, tile)
                for clip, moved in zip(people, field, strict=True)
            ]
        ),
    }
    return Scene(
        "Canonical frames, and how the field warps them",
        [
            (found.name(clip) if name == "input" else name, clips[place])
            for place, clip in enumerate(people[:2])
            for name, clips in lines.items()
        ],
        [list(clips) for clips in lines.values()],
        list(lines),
        [found.name(clip) for clip in people],
    )


def grids(found: Encoded) -> Scene | None:
    """The field as a grid over the frames it was found in, an expression a row (Figure 19)."""
    method, shown = found.method, found.shown
    if not isinstance(method, HasClipField):
        return None
    clips = shown.acted or shown.people
    field = method.clip_field(found.codes.where[clips])
    tile = clip_tile(shown.clips[0])
    laid = [
        lay_grid(shown.clips[clip], moved, tile) for clip, moved in zip(clips, field, strict=True)
    ]
    names = [found.name(clip) for clip in clips]
    return Scene(
        "The field as a grid over the frames",
        list(zip(names, laid, strict=True)),
        [[shown.clips[clip] for clip in clips], laid],
        ["input", "grid"],
        names,
    )


def samples(method: Method, frames: int) -> Scene | None:
    """Clips drawn from the prior: *what* is one in a row of the film, *where* in a column."""
    if not isinstance(method, HasClipPrior):
        return None
    generator = torch.Generator().manual_seed(0)
    where = method.draw_where(DRAWN, frames, generator).to(method.device)
    what = method.draw_what(DRAWN, frames, generator).to(method.device)
    crossed = Codes(where.repeat(DRAWN, 1, 1), what.repeat_interleave(DRAWN, 0))
    made = paint(method, crossed)
    film = made.reshape(DRAWN, DRAWN, *made.shape[1:])
    whats, wheres = ([f"{code} {n + 1}" for n in range(DRAWN)] for code in ("what", "where"))
    return Scene(
        "Clips drawn from the prior",
        [
            (f"{whats[a]},\n{wheres[b]}", film[a, b])
            for a, b in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (3, 3))
        ],
        [list(line) for line in film],
        whats,
        wheres,
    )


def _moved(base: Codes, added: Tensor) -> Codes:
    """Codes (K, T, D) of one clip with each of (K, D) added to *where* of all its frames."""
    return Codes(base.where + added[:, None], base.what.expand(len(added), -1, -1))


def _clip_bytes(clip: Tensor) -> Array:
    """Clips (n, T, C, H, W) as (n, T, H, W, C) uint8."""
    pixels = as_bytes(clip.flatten(0, 1))
    return pixels.reshape(*clip.shape[:2], *pixels.shape[1:])


def _who(found: Encoded, clip: int) -> str:
    return found.shown.names[clip].partition(",")[0]


def _deviations(shift: int) -> str:
    return f"{shift:+d} sd" if shift else "as it is"
