"""What the commands of the gate do: compare tables with accepted numbers, accept new ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import gate
from benchmarks.bench import Choice, current_cells
from benchmarks.gate_output import Outputs
from benchmarks.schema import Spec
from benchmarks.specs import load_spec


def check(choices: Sequence[Choice], baselines: Path | None, outputs: Outputs) -> int:
    """Compare tables' cells with the accepted ones.

    Args:
        choices: the tables, one or more.
        baselines: folder of accepted numbers; None for the one in the results folder.
        outputs: files for continuous integration.

    Returns:
        0 fine, 1 a metric got worse, 2 not comparable; the worst of all tables.
    """
    reports = []
    for choice in choices:
        spec = load_spec(choice.table)
        path = _baseline(choice, spec, baselines)
        try:
            report = gate.check(spec, current_cells(choice, spec), path)
        except ValueError as error:  # one table without cells must not hide what others say
            report = gate.GateReport(path.stem, (str(error),))
        reports.append(report)
        choice.out.print(report.text, markup=False, highlight=False, soft_wrap=True)
    for line in gate.publish(reports, outputs):
        choices[0].out.print(line, markup=False, highlight=False, soft_wrap=True)
    return gate.exit_code(reports)


def accept(choice: Choice, baselines: Path | None, reason: str) -> int:
    """Make a table's cells the ones that later runs are compared with."""
    spec = load_spec(choice.table)
    path = _baseline(choice, spec, baselines)
    accepted = gate.accept(spec, current_cells(choice, spec), path, reason)
    choice.out.print(accepted.text, markup=False, highlight=False, soft_wrap=True)
    return 0


def _baseline(choice: Choice, spec: Spec, folder: Path | None) -> Path:
    path = choice.store.baseline_path(spec.table, choice.budget, choice.data.source)
    return path if folder is None else folder / path.name
