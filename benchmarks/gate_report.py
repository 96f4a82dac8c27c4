"""What the gate says of a table: every number compared, the verdict, and the words for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tabulate import tabulate

from benchmarks.baselines import MetricBaseline, Tier
from benchmarks.documents import escape_markdown
from benchmarks.metrics import METRICS
from benchmarks.summaries import Sample

ALPHA: Final = 0.02
"""Chance that an unchanged code base fails, over the whole table."""

WARN: Final = 0.01
"""Uncorrected p-value below which a metric is mentioned."""

Outcome = Literal["regression", "warning", "pass", "improved"]
EXIT_CODES: Final = {"fine": 0, "regression": 1, "error": 2}


@dataclass(frozen=True)
class Finding:
    """One metric of one row, compared.

    Args:
        new: its new values.
        old: what it is compared with.
        worse_by: new mean minus old, positive where that is worse.
        p: Holm-corrected chance of that much without a change; None in the tolerance tier.
        visible: the shift that would be reported in one of two cases.
    """

    row: str
    metric: str
    outcome: Outcome
    new: Sample
    old: MetricBaseline
    worse_by: float
    p: float | None
    visible: float

    @property
    def sentence(self) -> str:
        """What happened, with all numbers."""
        show = METRICS[self.metric].format
        spread = "" if self.old.std is None else f" ± {show(self.old.std)}"
        change = "worse" if self.worse_by > 0 else "better"
        chance = "" if self.p is None else f", p = {self.p:.1g}"
        return (
            f"{show(self.old.mean)}{spread} (n = {self.old.n}) -> {show(self.new.mean)} "
            f"(n = {len(self.new.values)}), {change} by {show(abs(self.worse_by))}, tolerance "
            f"{show(self.old.tolerance)}{chance}"
        )


@dataclass(frozen=True)
class GateReport:
    """What the gate says of a table.

    Args:
        name: ``<table>-<budget>-<source>``.
        errors: why the table does not compare, each with its remedy; then nothing was tested.
        findings: every metric of every row.
        notes: what to know besides.
    """

    name: str
    errors: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    tier: Tier | None = None

    @property
    def exit_code(self) -> int:
        """0 fine, 1 a metric got worse, 2 not comparable."""
        if self.errors:
            return EXIT_CODES["error"]
        worse = any(item.outcome == "regression" for item in self.findings)
        return EXIT_CODES["regression" if worse else "fine"]

    @property
    def text(self) -> str:
        """The report as Markdown."""
        return self._markdown(self.findings)

    @property
    def summary(self) -> str:
        """As `text`, but what passed is counted only: a comment on a change has to be short."""
        return self._markdown([item for item in self.findings if item.outcome != "pass"])

    def _markdown(self, shown: Sequence[Finding]) -> str:
        parts = [f"## Gate {self.name}: {self._headline()}"]
        if self.errors:
            parts.append("\n".join(f"- {_escape(words)}" for words in self.errors))
        if shown:
            parts += [_table(shown), _how_to_read(self.tier)]
        if self.notes:
            parts.append("\n".join(f"- {_escape(words)}" for words in self.notes))
        return "\n\n".join(parts)

    def count(self, outcome: Outcome) -> int:
        """How many metrics ended so."""
        return sum(item.outcome == outcome for item in self.findings)

    def _headline(self) -> str:
        if self.errors:
            return f"NOT COMPARABLE, {len(self.errors)} error{'s' if len(self.errors) > 1 else ''}"
        shown: tuple[Outcome, ...] = ("regression", "warning", "improved")
        counts = [
            f"{self.count(outcome)} {outcome}"
            + ("s" if self.count(outcome) > 1 and outcome != "improved" else "")
            for outcome in shown
            if self.count(outcome)
        ]
        verdict = "WORSE" if self.exit_code else "fine"
        return ", ".join([verdict, *counts, f"{len(self.findings)} compared"])


def _escape(words: str) -> str:
    """As `escape_markdown`, but commands to type stay code."""
    return escape_markdown(words).replace("\\`", "`")


def _table(findings: Sequence[Finding]) -> str:
    # Worst first: that is what somebody looks for.
    order: list[Outcome] = ["regression", "warning", "improved", "pass"]
    lines = []
    for item in sorted(findings, key=lambda item: order.index(item.outcome)):
        show = METRICS[item.metric].format
        spread = "" if item.old.std is None else f" ± {show(item.old.std)}"
        verdict = f"**{item.outcome}**" if item.outcome != "pass" else "pass"
        lines.append(
            [
                *(item.row, f"`{item.metric}`", f"{show(item.old.mean)}{spread}", item.old.n),
                *(show(item.new.mean), len(item.new.values)),
                show(item.worse_by) if item.worse_by <= 0 else f"+{show(item.worse_by)}",
                *(show(item.old.tolerance), show(item.visible)),
                *("" if item.p is None else f"{item.p:.1g}", verdict),
            ]
        )
    header = ("row", "metric", "baseline", "n", "new", "n", "worse by", "tolerance", "visible", "p")
    return tabulate(
        lines,
        headers=[*header, "verdict"],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", "left", *["right"] * 8, "left"),
    )


def _how_to_read(tier: Tier | None) -> str:
    if tier == "tolerance":
        return "Compared by tolerance alone: the same seeds, no noise but the machine's."
    return (
        f"Fails where worse by more than the tolerance and p, corrected for all metrics "
        f"together, is {ALPHA:g} or less. Visible: the shift that would fail in one of two cases. "
        f"Warning: p below {WARN:g} before the correction."
    )
