"""Frames painted of *what* of one clip and *where* of another: does a judge see the one so placed?

The judge (`benchmarks.protocols.frame_judge`) is asked about three kinds of frames of ``test``:

* ``judge_*``, real ones: its own accuracy, and the ceiling of the others;
* ``rebuilt_*``, as the method paints them of their own codes;
* ``swap_*``, of *what* of a clip A, at one moment of it, and *where* of all frames of a clip B of
  somebody else.

``*_what`` is how many attributes (or digits) are A's, ``*_where`` in how many frames the pose is
B's, or the digits' centre within `TOLERANCE` of B's, and ``*_both`` in how many frames all that
is so. Of
valence and arousal the concordance with those of B is taken; who a new person is, no judge can say.
``swap_chance_*`` is how often A's labels fit B, B's pose another frame's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from benchmarks.protocols.agreement import concordance, concordance_interval
from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.frame_judge import JUDGED, FittedJudge, looked_at
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.persons import ratio_interval
from benchmarks.protocols.sequence_codes import Gathered, Painter
from benchmarks.protocols.sequence_labels import TARGETS, TOLERANCE, known, shared

CLIPS: Final = 128
MOMENTS: Final = 32
"""Frames of a clip that are painted, at most."""
SHOWN: Final = 6
"""Clips that pictures are kept of."""


class Pairs(NamedTuple):
    """Clips A and B of N swaps, and frames of B (N, M), rising, with one moment of A (N,)."""

    first: Array
    second: Array
    moments: Array
    moment: Array


def paired(person: Array, frames: int, generator: Generator) -> Pairs:
    """Pairs of clips of different persons, evenly over the clips.

    Args:
        person: (N,) who each clip is of.
        frames: T of every clip.
        generator: of who is paired with whom, and of the frames, on the CPU.
    """
    rows = np.unique(np.linspace(0, len(person) - 1, CLIPS).round().astype(int))
    chance = torch.rand(len(rows), len(person), generator=generator).numpy()
    chance[person[rows][:, None] == person[None]] = -1
    second, able = chance.argmax(1), chance.max(1) >= 0
    rows, second = rows[able], second[able]
    drawn = torch.rand(len(rows), frames, generator=generator).argsort(1).numpy()
    moments = np.sort(drawn[:, : min(MOMENTS, frames)], 1)
    return Pairs(rows, second, moments, drawn[:, -1])


def hits(said: dict[str, Array], wanted: dict[str, Array]) -> dict[str, Array]:
    """Which share of *what* and of *where* is right in each frame, and whether both are wholly.

    Args:
        said: by the judge, (M, ...) by label.
        wanted: likewise; all of *what*'s are of one clip, all of *where*'s of another.

    Returns:
        ``what``, ``where`` and ``both`` (M,), 0 to 1, as far as there are labels.
    """
    parts: dict[str, list[Array]] = {"what": [], "where": []}
    for name, value in wanted.items():
        target = TARGETS[name]
        if target.kind == "class":
            right = (said[name] == value).astype(np.float64)
        elif target.kind == "set":
            right = shared(value, said[name])
        elif target.kind == "share":
            right = (np.linalg.norm(said[name] - value, axis=1) <= TOLERANCE).astype(np.float64)
        else:
            continue
        parts[target.side].append(right)
    found = {side: np.mean(values, 0) for side, values in parts.items() if values}
    if len(found) == 2:
        found["both"] = ((found["what"] > 1 - 1e-9) & (found["where"] > 1 - 1e-9)).astype(float)
    return found


@torch.no_grad()
def score_swaps(
    judge: FittedJudge, paint: Painter, test: Gathered, *, generator: Generator
) -> ProtocolResult:
    """All numbers of the module; without swaps where a method has not two codes.

    ``arrays`` holds, by label, ``wanted_KIND_LABEL`` and ``judged_KIND_LABEL`` of all frames of a
    kind, and of the first swaps ``swap_what`` (n, H, W, C), the moment of A as it is painted,
    ``swap_where`` and ``swap_painted`` (n, M, H, W, C), frames of B as painted and swapped, uint8.
    """
    labels = {name: value for name, value in known(test.labels).items() if name in JUDGED}
    frames = test.frames.shape[1]
    pairs = paired(test.person, frames, generator)
    if not labels or not len(pairs.first) or len(test.codes) < 2:
        return ProtocolResult({})
    where, what = test.codes["where"], test.codes["what"]
    second, moments = (torch.from_numpy(each) for each in (pairs.second, pairs.moments))
    own = (second[:, None], moments)
    theirs = _labels(labels, pairs.second, pairs.moments, frames)
    mine = _labels(labels, pairs.first, pairs.moment[:, None], frames)
    person = np.repeat(test.person[pairs.second], moments.shape[1])
    real = test.frames[own].flatten(0, 1)
    rebuilt = paint(where[own], what[own])
    shown = {"judge": (real, theirs), "rebuilt": (looked_at(rebuilt).flatten(0, 1), theirs)}
    arrays: dict[str, Array] = {}
    if not test.entangled:
        look = what[torch.from_numpy(pairs.first), torch.from_numpy(pairs.moment)]
        swapped = paint(where[own], look[:, None].expand(-1, moments.shape[1], -1))
        shown["swap"] = (looked_at(swapped).flatten(0, 1), _mixed(mine, theirs))
        at = (torch.from_numpy(pairs.first[:SHOWN])[:, None], _column(pairs.moment[:SHOWN]))
        arrays["swap_what"] = as_pictures(paint(where[at], what[at]))[:, 0]
        arrays["swap_where"] = as_pictures(rebuilt[:SHOWN])
        arrays["swap_painted"] = as_pictures(swapped[:SHOWN])
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    for kind, (pictures, wanted) in shown.items():
        said = judge.says(pictures)
        arrays |= {f"wanted_{kind}_{name}": value for name, value in wanted.items()}
        arrays |= {f"judged_{kind}_{name}": said[name] for name in wanted}
        for name, right in hits(said, wanted).items():
            metrics[f"{kind}_{name}"] = 100 * float(right.mean())
            intervals[f"{kind}_{name}"] = ratio_interval(100 * right, np.ones_like(right), person)
        for name, value in wanted.items():
            if TARGETS[name].kind == "concordance":
                answer = said[name][:, 0], value
                metrics[f"{kind}_{name}"] = concordance(*answer)
                intervals[f"{kind}_{name}"] = concordance_interval(*answer, person)
    any_frame = np.random.default_rng(0).permutation(len(person))
    elsewhere = hits({name: value[any_frame] for name, value in theirs.items()}, theirs)
    for side, found in (("what", hits(mine, theirs)), ("where", elsewhere)):
        if side in found:
            share = 100 * float(found[side].mean())
            metrics[f"swap_chance_{side}"], intervals[f"swap_chance_{side}"] = share, (share, share)
    return ProtocolResult(metrics, intervals, arrays)


def as_pictures(clip: Tensor) -> Array:
    """Frames (B, T, C, H, W) in [0, 1] as (B, T, H, W, C) uint8."""
    found: Array = (clip * 255).round().byte().permute(0, 1, 3, 4, 2).cpu().numpy()
    return found


def _labels(
    labels: dict[str, Array], clips: Array, moments: Array, frames: int
) -> dict[str, Array]:
    """Labels of frames ``moments`` (N, M) or (N, 1) of ``clips`` (N,), flat; M as often."""
    count = min(MOMENTS, frames)
    found = {}
    for name, value in labels.items():
        of_frames = TARGETS[name].side == "where"
        if of_frames:
            picked = value[clips[:, None], np.broadcast_to(moments, (len(clips), count))]
        else:
            picked = np.repeat(value[clips][:, None], count, 1)
        found[name] = picked.reshape(len(clips) * count, *picked.shape[2:])
    return found


def _mixed(what: dict[str, Array], where: dict[str, Array]) -> dict[str, Array]:
    """Labels of *what* from the one, of *where* from the other."""
    return {name: (what if TARGETS[name].side == "what" else where)[name] for name in where}


def _column(values: Array) -> Tensor:
    return torch.from_numpy(values)[:, None]
