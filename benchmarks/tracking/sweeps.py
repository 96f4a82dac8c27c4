"""A W&B sweep over the arguments of a row's method, as a YAML file that ``wandb agent`` runs.

A sweep chooses, and nothing is chosen on test data: its runs are trials (`benchmarks.trial`), which
train a row as its cell would and score nothing, and its metric is one that training logs. What it
finds goes into the table's YAML, and is measured there.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import yaml

from benchmarks import runner
from benchmarks.arguments import check_names
from benchmarks.metrics import METRICS
from benchmarks.schema import CellSpec, Source, Spec, suggestion
from benchmarks.specs import SpecError, read_yaml, resolve_cell
from lightning_modules import registry as methods

SearchBy = Literal["grid", "random", "bayes"]
Goal = Literal["minimize", "maximize"]

OBJECTIVE: Final = "val/loss"
LOGGED: Final = ("val/", "train/")
"""What metrics of training begin with; a table's metrics are of test data."""

RATE: Final = "learning_rate"
"""What is searched where nothing is said, a factor of ten to both sides."""

TAKEN: Final = frozenset(
    {*CellSpec.model_fields, "cell_id", "commit", "dirty", "versions", "changes", "hyperparameters"}
)
"""Names that a run's configuration uses for other things."""


def check_objective(metric: str, cell: CellSpec) -> None:
    """Refuse to choose by anything but what a cell's training logs, and W&B gets.

    Raises:
        SpecError: the metric is of test data, of nothing known, or of a validation that is not
            made.
    """
    if metric.startswith("val/") and cell.trainer.get("limit_val_batches") == 0:
        raise SpecError(
            f"'{metric}' is never logged: table '{cell.table}' validates nothing at budget "
            f"'{cell.budget}' (limit_val_batches: 0); give --metric train/loss"
        )
    if metric.startswith(LOGGED) and not metric.endswith("_step"):
        return
    if metric.removeprefix("test/") in METRICS:
        raise SpecError(
            f"'{metric}' is measured on test data, and nothing is chosen on that; choose by what "
            f"training logs: {OBJECTIVE}, another val/..., or train/loss"
        )
    raise SpecError(f"'{metric}' is nothing that training logs; give val/... or train/...")


def make_sweep(
    spec: Spec,
    row: str,
    *,
    budget: str,
    source: Source,
    over: Sequence[str] = (),
    metric: str = OBJECTIVE,
    goal: Goal = "minimize",
    search: SearchBy | None = None,
    runs: int | None = None,
    table: str = "",
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """The sweep's configuration, as W&B reads it.

    Args:
        spec: the table.
        row: one of its rows that are trained.
        budget: one of its budgets.
        source: of the data.
        over: what is searched, see `parse_range`; nothing for the learning rate.
        metric: by which runs are compared, as training logs it.
        goal: the direction of progress.
        search: None for ``grid`` where every argument has a list, else ``random``.
        runs: how many at most.
        table: how the table is named on the command line, if not by its id.
        options: more options of ``whatwhere wandb trial``.

    Raises:
        SpecError: the row is not trained, an argument is unknown, or the metric is of test data.
    """
    cell = trained_cell(spec, row, budget=budget, source=source)
    check_objective(metric, cell)
    ranges = [parse_range(text) for text in over]
    searched = dict(ranges) or {RATE: _around(cell)}
    if len(searched) < len(ranges):
        raise SpecError(
            f"an argument stands twice in --over: {', '.join(name for name, _ in ranges)}"
        )
    place = f"table '{spec.table}', row '{row}', budget '{budget}'"
    check_names(place, methods.load(cell.method), cell.args.keys() | searched.keys())
    for name in sorted(searched.keys() & TAKEN):
        raise SpecError(f"'{name}' cannot be searched: a run's configuration says so of the cell")
    listed = all("values" in range_ for range_ in searched.values())
    if search == "grid" and not listed:
        raise SpecError("a grid needs a list for every argument: --over learning_rate=1e-4,1e-3")
    sweep: dict[str, Any] = {
        "name": f"{spec.table}/{row}, {budget}, {source}",
        "description": f"{spec.title}; compared by {metric}, never by a number of the test data",
        # The agent wants a name here, and runs the command below.
        "program": "whatwhere",
        "method": search or ("grid" if listed else "random"),
        "metric": {"name": metric, "goal": goal},
        "parameters": searched,
        "command": [
            "${env}",
            "${interpreter}",
            *runner.ENTRY,
            *("wandb", "trial", table or spec.table, row),
            *("--budget", budget, "--source", source, "--metric", metric),
            *options,
            "${args_no_hyphens}",
        ],
    }
    return sweep if runs is None else sweep | {"run_cap": runs}


def as_yaml(sweep: dict[str, Any]) -> str:
    """The file's text, with what to do with it."""
    return (
        "# whatwhere wandb sweep wrote this. Where whatwhere is installed:\n"
        "#\n"
        "#   wandb sweep --project whatwhere THIS_FILE     # says the sweep's id\n"
        "#   wandb agent ENTITY/whatwhere/ID               # on as many machines as you like\n"
        "#\n"
        "# Its runs train and score nothing: nothing is chosen on test data. An argument that\n"
        "# weighs parts of the loss changes what the loss means: compare by one of the parts.\n"
        + yaml.safe_dump(sweep, sort_keys=False, width=100, allow_unicode=True)
    )


def trained_cell(spec: Spec, row: str, *, budget: str, source: Source, seed: int = 0) -> CellSpec:
    """A row's cell on data that nobody has looked at yet.

    Raises:
        SpecError: the row is never trained.
    """
    cell = resolve_cell(
        spec, row, seed=seed, budget=budget, source=source, data_fingerprint="0" * 16
    )
    if not cell.fit or not (cell.trainer or cell.pretrain):
        raise SpecError(f"row '{row}' of table '{spec.table}' is not trained: nothing to search")
    return cell


def parse_range(text: str) -> tuple[str, dict[str, Any]]:
    """``NAME=1e-4..1e-2``, ``NAME=10..50`` or ``NAME=16,32,64`` -> name and W&B's words for it.

    Between two positive numbers of which one is no integer it is searched evenly in the logarithm,
    between others evenly. Values of a list are written as in a table's YAML.

    Raises:
        SpecError: this is no range.
    """
    name, equals, wanted = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise SpecError(f"'{text}': give NAME=LOW..HIGH or NAME=VALUE,VALUE")
    low, dots, high = wanted.partition("..")
    if not dots:
        values = _read(f"[{wanted}]", text)
        if not values or any(value is None for value in values):
            raise SpecError(f"'{text}': a value is missing; give NAME=VALUE,VALUE")
        return name, {"values": values}
    ends = [_read(end, text) for end in (low, high)]
    if not all(type(end) in (int, float) and math.isfinite(end) for end in ends):
        raise SpecError(f"'{text}': {low} and {high} have to be numbers")
    if ends[0] >= ends[1]:
        raise SpecError(f"'{text}': {low} is not below {high}")
    if all(isinstance(end, int) for end in ends):
        kind = "int_uniform"
    else:
        kind = "log_uniform_values" if ends[0] > 0 else "uniform"
    return name, {"distribution": kind, "min": ends[0], "max": ends[1]}


def parse_changes(texts: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` each, as the agent gives them -> arguments.

    Raises:
        SpecError: one of them is something else, or a name stands twice.
    """
    changes: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise SpecError(f"'{text}': give NAME=VALUE")
        if name in changes:
            raise SpecError(f"argument '{name}' stands twice")
        changes[name] = _read(value, text)
    return changes


def _around(cell: CellSpec) -> dict[str, Any]:
    rate = cell.args.get(RATE)
    if rate is None:
        parameters = inspect.signature(methods.load(cell.method)).parameters
        rate = parameters[RATE].default if RATE in parameters else None
    if not isinstance(rate, int | float) or rate <= 0:
        known = suggestion(RATE, cell.args)
        raise SpecError(
            f"method '{cell.method}' has no {RATE} ({known}); say what is searched, e.g. "
            "--over n_keypoints=10,30"
        )
    return {"distribution": "log_uniform_values", "min": rate / 10, "max": rate * 10}


def _read(value: str, text: str) -> Any:
    """A value in YAML, where 1e-4 is a number."""
    try:
        return read_yaml(value)
    except yaml.YAMLError as error:
        raise SpecError(f"'{text}': not a value in YAML") from error
