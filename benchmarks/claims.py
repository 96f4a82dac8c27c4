"""Claims as data: what a paper says in words, as a predicate over measured cells.

A claim reads ``left relation factor * right``, each side a row's metric, counted from ``chance``
where the claim names one. Its verdict:

* ``holds`` or ``fails``: the difference is on the claim's side, or against it, beyond the noise, at
  one-sided confidence of 95 %;
* ``undecided``: the difference lies within the noise, or both sides are at chance;
* ``not run``: a side has no trustworthy number, and why.

Noise is of two kinds, and a difference has to be beyond both together. That between seeds: paired
by seed where two or more are shared, else Welch's. And that of the choice of test pictures, which
all seeds share: more seeds do not make it smaller. It is taken as if each row had test pictures of
its own, which is too much where two rows err on the same ones. With one seed it speaks alone, which
is said, for it knows nothing of another training run.
A published number compares with cells of the real data at the paper's own budget, with nothing
else. What the paper's own numbers say of the claim stands beside the verdict, never in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from benchmarks.metrics import METRICS
from benchmarks.schema import CellResult, Claim, Operand, Spec
from benchmarks.statistics import Difference, against_one, paired, welch
from benchmarks.summaries import Group, Sample, by_row, one_group, sample, source_words

Verdict = Literal["holds", "fails", "undecided", "not run"]
VERDICTS: Final[tuple[Verdict, ...]] = ("holds", "fails", "undecided", "not run")
LEVEL: Final = 0.95
PAPER_BUDGET: Final = "full"
"""The budget whose settings are the papers' own."""

PICTURES_ONLY: Final = "picture noise only"


@dataclass(frozen=True)
class Published:
    """What the published numbers alone say of a claim.

    Args:
        left: value of the left side, counted from chance as in the claim.
        right: value of the right side, likewise, without the factor.
        difference: in the claim's favour.
        sources: where the two numbers stand; papers do not measure alike.
    """

    left: float
    right: float
    difference: float
    sources: tuple[str, str]

    @property
    def holds(self) -> bool:
        """Whether the bare numbers agree with the claim; papers give no noise."""
        return self.difference > 0


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim and what the cells say of it.

    Args:
        claim: the claim.
        verdict: see the module.
        reason: one sentence with the numbers.
        left: mean of the left side, counted from chance, over the seeds that were compared.
        right: mean of the right side, likewise, without the factor.
        difference: in the claim's favour, in the metric's unit.
        interval: bounds of the difference, each at one-sided 95 %.
        basis: what the noise was taken from.
        published: what the papers' own numbers say; None where there are none.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    left: float | None = None
    right: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    basis: str = ""
    published: Published | None = None


@dataclass(frozen=True)
class Comparison:
    """Two samples, compared.

    Args:
        left: mean of the values that were compared.
        right: likewise.
        differences: ``factor * right - left`` with the noise of seeds and with that of the test
            pictures, as far as they are known.
        basis: what the noise was taken from, or why there is none.
    """

    left: float
    right: float
    differences: tuple[Difference, ...]
    basis: str

    def interval(self, level: float = LEVEL, factor: float = 1.0) -> tuple[float, float] | None:
        """Bounds of ``factor`` times the difference, each of one-sided confidence ``level``.

        The half widths of both noises add as independent ones do; None where nothing tells any.
        """
        if not self.differences:
            return None
        middle = factor * self.differences[0].mean
        half = abs(factor) * math.hypot(*(item.half_width(level) for item in self.differences))
        return middle - half, middle + half


def evaluate_claims(spec: Spec, cells: Sequence[CellResult]) -> list[ClaimVerdict]:
    """The verdict on every claim of a table, in its order.

    Args:
        spec: the table.
        cells: of one group (see `benchmarks.summaries`); may be empty.

    Raises:
        MixedCellsError: the cells do not compare with each other.
        ValueError: a claim compares metrics of different units.
    """
    group = one_group(cells) if cells else None
    rows = by_row(spec, cells)
    return [_judge(claim, spec, rows, group) for claim in spec.claims]


def count_verdicts(verdicts: Sequence[ClaimVerdict]) -> dict[Verdict, int]:
    """How many claims have each verdict, all four named."""
    return {name: sum(item.verdict == name for item in verdicts) for name in VERDICTS}


def compare(
    left: Sample, right: Sample | float, factor: float = 1.0, *, other_pictures: bool = True
) -> Comparison:
    """Compare two samples by what noise is known.

    Args:
        left: a sample with one value or more.
        right: likewise, or a constant that has no noise.
        factor: what ``right`` is multiplied by.
        other_pictures: whether the difference should hold on other test pictures too, and not only
            for other seeds on these. With one seed the pictures speak in any case.
    """
    ours = left.values
    if isinstance(right, float):
        theirs: dict[int, float] = {}
        right_mean = right
    else:
        theirs, right_mean = right.values, right.mean
    shared = sorted(ours.keys() & theirs.keys())
    found: Difference | None = None
    basis = ""
    left_mean = left.mean
    if isinstance(right, float):
        if len(ours) > 1:
            found = against_one(list(ours.values()), factor * right, exact=True)
            found *= -1.0
            basis = f"{len(ours)} seeds against a number without noise"
    elif len(shared) > 1:
        pairs = [ours[seed] for seed in shared], [factor * theirs[seed] for seed in shared]
        found, basis = paired(pairs[1], pairs[0]), f"{len(shared)} paired seeds"
        left_mean = sum(pairs[0]) / len(shared)
        right_mean = sum(pairs[1]) / len(shared) / factor
    elif min(len(ours), len(theirs)) > 1:
        found = welch([factor * value for value in theirs.values()], list(ours.values()))
        basis = f"Welch, {len(ours)} and {len(theirs)} seeds, not shared"
    elif len(ours) > 1:
        found = against_one(list(ours.values()), factor * right_mean, exact=False)
        found *= -1.0
        basis = f"{len(ours)} seeds; the one seed of {right.row} is taken to spread alike"
    elif len(theirs) > 1:
        found = against_one([factor * value for value in theirs.values()], left_mean, exact=False)
        basis = f"{len(theirs)} seeds; the one seed of {left.row} is taken to spread alike"
    spread = found is not None and found.standard_error > 1e-9 * max(
        abs(left_mean), abs(found.mean)
    )
    differences: tuple[Difference, ...] = (found,) if found is not None and spread else ()
    if differences and not other_pictures:
        return Comparison(left_mean, right_mean, differences, basis)
    errors = [left.picture_error()]
    if not isinstance(right, float):
        errors.append(right.picture_error())
    known = [error for error in errors if error is not None]
    if len(known) == len(errors):
        if len(known) > 1:
            known[1] *= factor
        differences += (Difference(factor * right_mean - left_mean, math.hypot(*known)),)
    if not spread:
        # One seed, or rows that no seed changes: what is left is the choice of test pictures.
        why = "one seed" if found is None else "no spread"
        rest = f": {PICTURES_ONLY}" if differences else ", and no interval over pictures"
        basis = why + rest
    elif len(differences) > 1:
        basis += ", and the test pictures"
    return Comparison(left_mean, right_mean, differences, basis)


def _judge(
    claim: Claim, spec: Spec, rows: dict[str, list[CellResult]], group: Group | None
) -> ClaimVerdict:
    published = _published(claim, spec)
    sides: list[Sample | float] = []
    for operand in (claim.left, claim.right):
        side = _side(operand, spec, rows, group)
        if isinstance(side, str):
            return ClaimVerdict(claim, "not run", f"{side}.", published=published)
        sides.append(side - (claim.chance or 0.0))
    left, right = sides
    if isinstance(left, float):
        if isinstance(right, float):
            return ClaimVerdict(
                claim, "not run", "Both sides are published numbers.", published=published
            )
        # factor * right - left, seen from the side that was measured.
        turned = compare(right, left / claim.factor)
        differences = tuple(item * -claim.factor for item in turned.differences)
        compared = Comparison(left, turned.left, differences, turned.basis)
    else:
        compared = compare(left, right, claim.factor)
    found = _verdict(claim, compared, published)
    if claim.chance is not None and not any(map(_positive, sides)):
        reason = f"{found.reason} But neither side is beyond chance by itself."
        found = replace(found, verdict="undecided", reason=reason)
    return found


def _positive(side: Sample | float) -> bool:
    """Whether a side is above zero, beyond the noise if it has any."""
    if isinstance(side, float):
        return side > 0
    interval = compare(side, 0.0).interval()
    return interval is not None and interval[1] < 0


def _verdict(claim: Claim, compared: Comparison, published: Published | None) -> ClaimVerdict:
    sign = 1.0 if claim.relation == "<" else -1.0
    gap = sign * (claim.factor * compared.right - compared.left)
    numbers = _numbers(claim, compared)
    verdict: Verdict = "undecided"
    interval = compared.interval(factor=sign)
    if interval is None:
        reason = f"{numbers}: {compared.basis}, so nothing tells the noise."
    else:
        verdict = "holds" if interval[0] > 0 else "fails" if interval[1] < 0 else "undecided"
        show = METRICS[claim.left.metric].format
        side = "for" if gap > 0 else "against" if gap < 0 else "neither for nor against"
        within = ", within the noise" if verdict == "undecided" else ""
        reason = (
            f"{numbers}: {show(abs(gap))} {side} the claim{within} "
            f"(95 % bounds {show(interval[0])} to {show(interval[1])}; {compared.basis})."
        )
    return ClaimVerdict(
        claim,
        verdict,
        reason,
        compared.left,
        compared.right,
        gap,
        interval,
        compared.basis,
        published,
    )


def _side(
    operand: Operand, spec: Spec, rows: dict[str, list[CellResult]], group: Group | None
) -> Sample | float | str:
    """A sample, a published value, or the reason why there is neither."""
    row = spec.row(operand.row)
    if operand.published:
        value = row.published[operand.metric].value
        live = "" if row.method is not None else f"{row.id} has no live row; "
        number = f"its published {METRICS[operand.metric].format(value)}"
        if group is None:
            return f"{live}nothing was run to compare with {number}"
        if group.source != "real" or group.budget != PAPER_BUDGET:
            return (
                f"{live}{number} compares with real data at budget {PAPER_BUDGET} only, "
                f"these cells are of {source_words(group)}, budget {group.budget}"
            )
        return value
    if row.method is None:
        return f"{row.id} has no live row"
    if not rows[row.id]:
        return f"{row.id} was not run"
    found = sample(row.id, rows[row.id], operand.metric)
    if found.problems:
        # A verdict over the seeds that survived would flatter methods that diverge.
        problem = found.problems[0].rstrip(".")
        return problem if problem.startswith(row.id) else f"{row.id}, {problem}"
    return found


def _published(claim: Claim, spec: Spec) -> Published | None:
    left, right = (
        spec.row(side.row).published.get(side.metric) for side in (claim.left, claim.right)
    )
    # Where a side is itself a published number, there is nothing left to set beside it.
    quoted = claim.left.published or claim.right.published
    if left is None or right is None or (quoted and claim.left.row == claim.right.row):
        return None
    chance = claim.chance or 0.0
    ours, theirs = left.value - chance, right.value - chance
    gap = claim.factor * theirs - ours
    return Published(
        ours, theirs, gap if claim.relation == "<" else -gap, (left.source, right.source)
    )


def _numbers(claim: Claim, compared: Comparison) -> str:
    show = METRICS[claim.left.metric].format
    words = [
        f"{side.row} {side.metric} {show(value)}{' (published)' if side.published else ''}"
        for side, value in ((claim.left, compared.left), (claim.right, compared.right))
    ]
    times = ""
    if claim.factor != 1.0:
        times = f"{claim.factor:g} times "
        words[1] += f" = {show(claim.factor * compared.right)}"
    chance = f"Counted from chance, {show(claim.chance)}, " if claim.chance else ""
    return f"{chance}{words[0]} against {times}{words[1]}"
