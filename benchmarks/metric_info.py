"""What a number means: name, unit, direction, decimals and practical tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class MetricInfo:
    """What a number means.

    Args:
        id: the key in `CellResult.metrics`.
        label: short name for a table's head.
        unit: of the value; empty for a pure number.
        better: the direction of progress.
        decimals: digits after the point in tables.
        description: what is measured, in one sentence.
        rel_tol: practical tolerance of the gate, as a part of the baseline's mean.
        abs_tol: the same in the metric's unit; the larger of the two counts.
        gated: whether the gate watches it. Costs are not: they depend on the machine.
        leak: whether it tells what should not be known, so that who knows nothing has the best of
            it: a control's win is no news then.
        judged: whether one value of it is better than another; what only describes has no best.
    """

    id: str
    label: str
    unit: str
    better: Better
    decimals: int
    description: str
    rel_tol: float = 0.02
    abs_tol: float = 0.0
    gated: bool = True
    leak: bool = False
    judged: bool = True

    @property
    def arrow(self) -> str:
        """The direction of progress as a sign; none where there is no progress."""
        if not self.judged:
            return ""
        return "↓" if self.better == "lower" else "↑"

    @property
    def header(self) -> str:
        """A table's head: label, unit and arrow."""
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.label}{unit} {self.arrow}".rstrip()

    def worse_by(self, old: float, new: float) -> float:
        """How much worse ``new`` is than ``old``, in the metric's unit; negative if better."""
        return new - old if self.better == "lower" else old - new

    def format(self, value: float) -> str:
        """The value with the metric's decimals, without unit; never ``-0.00``."""
        return f"{round(value, self.decimals) + 0.0:.{self.decimals}f}"


def accuracy(metric_id: str, label: str, better: Better, description: str) -> MetricInfo:
    """A share in percent, with a tolerance of three points; less is better of what is a leak."""
    leak = better == "lower"
    return MetricInfo(
        metric_id, label, "%", better, 1, description, rel_tol=0.0, abs_tol=3.0, leak=leak
    )
