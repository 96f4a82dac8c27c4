"""What a method draws of *where* for a given *what*, and whether a *where* means the same to all.

Diversity: for clips of ``test``, *where* is drawn for the clip's own *what*, from p(z | f) if the
method has such a prior, else from its prior of *where*, else from N(0, I). A judge looks at what is
painted. ``sample_diversity`` is how many poses it sees in the frames of a clip (the exponential of
their entropy), or how far they spread (deviation of the centre, of valence and arousal), in percent
of the same of as many real frames, drawn from the clip with replacement. ``sample_what`` is how
much of the clip's own *what* it still sees.

Coherence ("the coherence of the dynamic space between different identities", Helminger et al. 2018,
section 4): points of a grid over *where* are painted with *what* of several clips of different
persons. ``grid_agreement`` is how often the judge sees the same pose in two of them, and
``grid_chance`` how often in two of any points; for numbers, it is the variance between points in
percent of all variance, or of that of real frames where that is more. ``grid_kappa`` is what lies
beyond chance, in percent of what could (Fleiss' kappa, where poses are judged): nothing, if all
points look alike. The grid has 7 x 7 points from the 5th to the 95th percentile of both dimensions
over ``test``. Where there are not two dimensions the points are *where* of 49 real frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Generator, Tensor

from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.frame_judge import JUDGED, FittedJudge, looked_at
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.persons import ratio_interval
from benchmarks.protocols.sequence_codes import Gathered, Painter
from benchmarks.protocols.sequence_labels import TARGETS, known
from benchmarks.protocols.swaps import as_pictures, hits
from lightning_modules.interface import HasClipPrior, HasConditionalPrior, Method

CLIPS: Final = 48
DRAWS: Final = 32
SIDE: Final = 7
REACH: Final = (0.05, 0.95)
PEOPLE: Final = 24
SHOWN: Final = 4
"""Clips that pictures are kept of."""


@torch.no_grad()
def score_samples(
    judge: FittedJudge, paint: Painter, method: Method, test: Gathered, *, generator: Generator
) -> ProtocolResult:
    """Diversity; nothing where the method has not two codes.

    ``arrays`` holds ``sample_frames`` (n, M, H, W, C) uint8, frames drawn for some clips, and
    ``sample_where`` (N, M, Dz), what was drawn for all of them.
    """
    codes = test.split_codes
    labels = {name: value for name, value in known(test.labels).items() if name in JUDGED}
    if codes is None or not labels:
        return ProtocolResult({})
    rows = spread(len(test.frames), CLIPS)
    frames = test.frames.shape[1]
    count = DRAWS
    place = torch.from_numpy(rows).to(codes[1].device)
    what = codes[1][place, 0]
    where = drawn(method, what, count, codes[0].shape[2], generator)
    painted = paint(where, what[:, None].expand(-1, count, -1))
    order = torch.randint(0, frames, (len(rows), count), generator=generator)
    real = test.frames[torch.from_numpy(rows)[:, None], order]
    said, seen = (judge.says(clip.flatten(0, 1)) for clip in (looked_at(painted), real))
    ratios = []
    for name in labels:
        if TARGETS[name].side == "where":
            ours, theirs = (variety(found[name], count) for found in (said, seen))
            ratios.append((ours, theirs))
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    person = test.person[rows]
    if ratios:
        ours, theirs = (np.concatenate(side, 1) for side in zip(*ratios, strict=True))
        shares = ours.sum(0) / np.maximum(theirs.sum(0), 1e-12)
        metrics["sample_diversity"] = 100 * float(shares.mean())
        intervals["sample_diversity"] = ratio_interval(100 * ours, theirs, person)
    looks = {
        name: np.repeat(labels[name][rows], count, 0)
        for name in labels
        if TARGETS[name].side == "what"
    }
    right = hits(said, looks).get("what")
    if right is not None:
        metrics["sample_what"] = 100 * float(right.mean())
        whole = np.repeat(person, count)
        intervals["sample_what"] = ratio_interval(100 * right, np.ones_like(right), whole)
    arrays = {
        "sample_frames": as_pictures(painted[:SHOWN]),
        "sample_where": where.cpu().numpy(),
    }
    return ProtocolResult(metrics, intervals, arrays)


def drawn(method: Method, what: Tensor, count: int, size: int, generator: Generator) -> Tensor:
    """*Where* (B, count, size) for *what* (B, Df), by the narrowest prior the method has."""
    if isinstance(method, HasConditionalPrior):
        found = method.draw_where_given(what, count, generator)
    elif isinstance(method, HasClipPrior):
        found = method.draw_where(len(what), count, generator)
    else:
        found = torch.randn(len(what), count, size, generator=generator)
    return found.to(what.device)


def variety(said: Array, count: int) -> Array:
    """How many things (N, 1), or how far spread numbers (N, D), are in N clips of ``count`` frames.

    Args:
        said: classes (N count,), or numbers (N count, D).
        count: frames of a clip.
    """
    if said.ndim > 1:
        spread_out: Array = said.reshape(-1, count, said.shape[1]).std(1)
        return spread_out
    shares = counted(said.reshape(-1, count)) / count
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    perplexity: Array = np.exp(-(shares * logs).sum(1, keepdims=True))
    return perplexity


def counted(said: Array) -> Array:
    """How often each class is said in each row (N, M), (N, classes)."""
    classes = int(said.max()) + 1
    flat = np.arange(len(said))[:, None] * classes + said
    return np.bincount(flat.ravel(), minlength=len(said) * classes).reshape(-1, classes)


@torch.no_grad()
def score_grid(
    judge: FittedJudge, paint: Painter, test: Gathered, *, generator: Generator
) -> ProtocolResult:
    """Coherence; nothing where the method has not two codes, or there are not two persons.

    ``arrays`` holds ``grid_where`` (G, Dz), the points, and ``grid_frames`` (n, G, H, W, C)
    uint8, painted with *what* of several clips; where there are two dimensions, points go
    along the first one fastest.
    """
    codes = test.split_codes
    labels = {
        name: value.reshape(test.frames.shape[0] * test.frames.shape[1], -1)
        for name, value in known(test.labels).items()
        if name in JUDGED and TARGETS[name].side == "where"
    }
    rows = spread(len(test.frames), PEOPLE)
    rows = rows[np.unique(test.person[rows], return_index=True)[1]]
    if codes is None or not labels or len(rows) < 2:
        return ProtocolResult({})
    points = grid(codes[0], generator)
    what = codes[1][torch.from_numpy(rows).to(codes[1].device), 0]
    painted = paint(
        points[None].expand(len(rows), -1, -1), what[:, None].expand(-1, len(points), -1)
    )
    said = judge.says(looked_at(painted).flatten(0, 1))
    found = [agreement(said[name], len(rows), value.var(0)) for name, value in labels.items()]
    agreed = np.mean([each for each, _ in found], 0)
    chance = float(np.mean([each for _, each in found]))
    # Where everybody always shows the same, nothing can be agreed on.
    beyond = (agreed - chance) / (1 - chance) if chance < 1 else 0 * agreed
    points_drawn = np.arange(len(agreed))
    metrics = {"grid_chance": 100 * chance}
    intervals = {"grid_chance": (100 * chance, 100 * chance)}
    for name, each in (("grid_agreement", 100 * agreed), ("grid_kappa", 100 * beyond)):
        metrics[name] = float(each.mean())
        intervals[name] = ratio_interval(each, np.ones_like(each), points_drawn)
    arrays = {
        "grid_where": points.cpu().numpy(),
        "grid_frames": as_pictures(painted[:SHOWN]),
    }
    return ProtocolResult(metrics, intervals, arrays)


def grid(where: Tensor, generator: Generator) -> Tensor:
    """Points (SIDE^2, Dz) within the range of ``where`` (N, T, Dz), see the module."""
    codes = where.flatten(0, 1)
    if codes.shape[1] != 2:
        return codes[torch.randperm(len(codes), generator=generator)[: SIDE**2].to(codes.device)]
    edges = np.quantile(codes.double().cpu().numpy(), REACH, axis=0)
    first, second = torch.from_numpy(np.linspace(edges[0], edges[1], SIDE)).unbind(1)
    across, down = torch.meshgrid(first, second, indexing="xy")
    return torch.stack([across.ravel(), down.ravel()], 1).to(codes)


def agreement(said: Array, people: int, real: Array | None = None) -> tuple[Array, float]:
    """How far people agree at each of G points (G,), 0 to 1, and how far they would by chance.

    Args:
        said: by the judge, classes (people G,) or numbers (people G, D), points fastest.
        people: how many.
        real: variance (D,) of such numbers over real frames.
    """
    if said.ndim > 1:
        numbers = said.reshape(people, -1, said.shape[1])
        total = numbers.reshape(-1, said.shape[1]).var(0)
        all_of_it = np.maximum(total, 0 if real is None else real)
        between = (total - numbers.var(0)) / all_of_it
        return between.mean(1), float((total / all_of_it).mean()) / people
    seen = counted(said.reshape(people, -1).T)
    same = (seen * (seen - 1)).sum(1) / (people * (people - 1))
    shares = seen.sum(0) / seen.sum()
    return same, float(np.square(shares).sum())


def spread(count: int, most: int) -> Array:
    """At most so many different rows of 0 ... count - 1, evenly."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))
