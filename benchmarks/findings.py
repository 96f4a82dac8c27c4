"""What a table shows beyond its numbers: where a gain comes from, which controls win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchmarks.claims import compare
from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Row, Spec
from benchmarks.summaries import Sample, by_row, sample

TRIVIAL_METHODS: Final = frozenset(
    {
        "fixed_points",
        "random_points",
        "grid_particles",
        "pca",
        "pca_gradients",
        "picture_pca",
        "nearest_picture",
        "zero_field",
        "grey_pixels",
        "clip_pixels",
        "clip_first_frame",
        "clip_constant",
        "mean_frame",
    }
)
"""Methods that learn nothing of where things are; an untrained network is a control as well."""


@dataclass(frozen=True)
class Split:
    """Which metrics part a gain into a confound's part and the rest.

    Args:
        base: without either.
        confound: with the confound alone.
        full: with both.
    """

    base: str
    confound: str
    full: str
    title: str
    confound_label: str
    rest_label: str


INTERCEPT: Final = Split(
    base="nme",
    confound="nme_b",
    full="nme_var_b",
    title="Where the gain of the variances comes from",
    confound_label="by the intercept",
    rest_label="by the variances",
)
"""DLP's variance variant has a constant column: an intercept that the plain variant lacks."""


@dataclass(frozen=True)
class Part:
    """A gain, positive where it is one, over seeds."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Decomposition:
    """A row's gain, parted.

    Args:
        total: base to full.
        confound: base to confound.
        rest: confound to full.
        share: the confound's part of the total; None unless total and both parts are gains.
        published: base to full in the paper; None where it is not known.
    """

    row: str
    label: str
    total: Part
    confound: Part
    rest: Part
    share: float | None
    published: float | None


Lead = Literal["beaten", "ahead", "unknown"]


@dataclass(frozen=True)
class Upset:
    """A control that beats methods on a metric.

    Args:
        control: its row.
        beaten: rows of methods it beats beyond the noise.
        ahead: rows of methods it is ahead of, within the noise.
        unknown: rows of methods it is ahead of, where nothing tells the noise.
    """

    control: str
    metric: str
    beaten: tuple[str, ...]
    ahead: tuple[str, ...]
    unknown: tuple[str, ...]


def is_control(row: Row) -> bool:
    """Whether a row that is run here learns nothing: a trivial method, or one not trained."""
    return row.method is not None and (row.method in TRIVIAL_METHODS or not row.fit)


def decompose(
    spec: Spec, cells: Sequence[CellResult], split: Split = INTERCEPT
) -> list[Decomposition]:
    """The gain of every row that has all three metrics, controls left out, in the table's order."""
    rows = by_row(spec, cells)
    found = []
    for row in spec.rows:
        samples = [
            sample(row.id, rows[row.id], metric)
            for metric in (split.base, split.confound, split.full)
        ]
        seeds = sorted(set.intersection(*(set(item.values) for item in samples)))
        if is_control(row) or not seeds:
            continue
        worse_by = METRICS[split.base].worse_by
        base, confound, full = ([item.values[seed] for seed in seeds] for item in samples)
        total, first, rest = (
            _part([worse_by(new, old) for old, new in zip(before, after, strict=True)])
            for before, after in ((base, full), (base, confound), (confound, full))
        )
        gains = total.mean > 0 and first.mean >= 0 and rest.mean >= 0
        published = None
        if split.base in row.published and split.full in row.published:
            published = worse_by(row.published[split.full].value, row.published[split.base].value)
        share = first.mean / total.mean if gains else None
        found.append(Decomposition(row.id, row.label, total, first, rest, share, published))
    return found


def upsets(spec: Spec, cells: Sequence[CellResult]) -> list[Upset]:
    """Every control that is ahead of a trained method in a column: news, not embarrassment.

    Columns of leaks are left out, for who knows nothing leaks nothing, and what only describes.
    """
    rows = by_row(spec, cells)
    controls = [row for row in spec.rows if is_control(row)]
    methods = [row for row in spec.rows if row.method is not None and not is_control(row)]
    found = []
    for metric in (key for key in spec.columns if METRICS[key].judged and not METRICS[key].leak):
        for control in controls:
            theirs = sample(control.id, rows[control.id], metric)
            leads: dict[Lead, list[str]] = {"beaten": [], "ahead": [], "unknown": []}
            for method in methods:
                lead = _lead(theirs, sample(method.id, rows[method.id], metric))
                if lead is not None:
                    leads[lead].append(method.id)
            if any(leads.values()):
                found.append(
                    Upset(control.id, metric, **{name: tuple(ids) for name, ids in leads.items()})
                )
    return found


def _lead(control: Sample, method: Sample) -> Lead | None:
    """How far the control is ahead; None if it is not, or if a seed of either has no number."""
    if not control.values or not method.values or control.problems or method.problems:
        return None
    info = METRICS[control.metric]
    compared = compare(control, method)
    if info.worse_by(compared.right, compared.left) >= 0:
        return None
    interval = compared.interval()
    if interval is None:
        return "unknown"
    low, high = interval
    return "beaten" if (low > 0 if info.better == "lower" else high < 0) else "ahead"


def _part(gains: Sequence[float]) -> Part:
    return Part(float(np.mean(gains)), float(np.std(gains, ddof=1)) if len(gains) > 1 else None)
