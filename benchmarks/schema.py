"""Typed forms of a table's specification, of one cell to run, and of one measured cell.

A *table* has rows (a method with its arguments, or numbers that others published), columns
(metrics of one protocol), budgets and claims. A *cell* is one row at one seed, budget and source;
its id is a hash over an allow-list of what changes its numbers (see `CellSpec.config`), so that
another device, folder or number of workers never makes a finished cell stale.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from benchmarks.budgets import BF16, Arguments, Budget, Model, Seed, TrainerArgs
from benchmarks.files import digest
from benchmarks.naming import UnknownNameError as UnknownNameError
from benchmarks.naming import describe as describe
from benchmarks.naming import pick as pick
from benchmarks.naming import suggestion as suggestion

Source = Literal["standin", "real"]
"""Where the pictures come from: a procedural twin, or the user's own copy of the dataset."""

Status = Literal["ok", "failed", "timeout", "n/a"]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]


class ProtocolRef(Model):
    """The evaluation protocol of a table, with the version its numbers are made by."""

    id: Identifier
    version: int = Field(ge=1)


class Published(Model):
    """A number from a paper.

    Args:
        value: in the metric's unit.
        source: paper and table.
        protocol: how it was measured, as far as it differs from the table's protocol.
    """

    value: float = Field(allow_inf_nan=False)
    source: str = Field(min_length=1)
    protocol: str = ""


class Row(Model):
    """One row of a table; without ``method`` it only shows what others published.

    Args:
        args: the method's arguments, over those of the budget.
        fit: train before scoring.
        train_on: the split it is trained on; None leaves it to the method and the dataset.
        starts_from: table and row whose finished weights it starts from, trained first where they
            are not there, at the same seed, budget and source, on data of the same fingerprint.
        trainer: overrides of the budget's.
        published: metric id -> number from a paper.
    """

    id: Identifier
    label: str = Field(min_length=1)
    method: str | None = None
    args: Arguments = {}
    fit: bool = True
    train_on: str | None = None
    starts_from: dict[Literal["table", "row"], str] | None = None
    trainer: TrainerArgs = TrainerArgs()
    published: dict[str, Published] = {}
    note: str = ""

    @model_validator(mode="after")
    def _method_or_published(self) -> Self:
        if self.method is None and not self.published:
            raise ValueError(f"row '{self.id}' has neither a method nor published numbers")
        if self.method is None and (self.args or self.trainer.given()):
            raise ValueError(f"row '{self.id}' has arguments but no method")
        return self


class Operand(Model):
    """One side of a claim: a metric of a row, as measured here or as published."""

    row: str
    metric: str
    published: bool = False


class Claim(Model):
    """A sentence as a predicate over cells: ``left relation factor * right``.

    Args:
        source: where the sentence stands.
        origin: ``paper``, or ``suite`` for what the suite itself expects.
        factor: e.g. 0.5 in "below half of the mean shape's error".
        chance: what guessing reaches, in the unit of both sides, which are counted from there; for
            R2 it is 0. "At least 80 % as often" means nothing of numbers at chance: undecided.
    """

    id: Identifier
    text: str = Field(min_length=1)
    source: str = Field(min_length=1)
    origin: Literal["paper", "suite"] = "paper"
    left: Operand
    relation: Literal["<", ">"] = "<"
    right: Operand
    factor: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    chance: float | None = Field(default=None, allow_inf_nan=False)


class Ranking(Model):
    """A sentence that one metric orders runs as another does, see `benchmarks.rankings`.

    Args:
        by: metric by which a run is chosen, the lower the better.
        of: metric that the choice is to be good by.
        rows: whose runs; all rows that learn if empty.
    """

    id: Identifier
    text: str = Field(min_length=1)
    source: str = Field(min_length=1)
    by: str
    of: str
    rows: list[Identifier] = []


class Spec(Model):
    """One table. See ``benchmarks/specs`` for examples.

    Args:
        lenders: tables whose rows other rows start from; filled in as a file is read.
    """

    table: Identifier
    title: str = Field(min_length=1)
    dataset: str
    protocol: ProtocolRef
    columns: list[str] = Field(min_length=1)
    note: str = ""
    budgets: dict[Identifier, Budget] = Field(min_length=1)
    rows: list[Row] = Field(min_length=1)
    claims: list[Claim] = []
    rankings: list[Ranking] = []
    lenders: dict[str, Spec] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_twice("column", self.columns)
        _refuse_twice("row", [row.id for row in self.rows])
        _refuse_twice("claim", [claim.id for claim in self.claims])
        for name in {name for ranking in self.rankings for name in ranking.rows}:
            self.row(name)
        for claim in self.claims:
            for side, operand in (("left", claim.left), ("right", claim.right)):
                place = f"claim '{claim.id}', {side}"
                try:
                    row = self.row(operand.row)
                except UnknownNameError as error:
                    raise ValueError(f"{place}: {error}") from error
                if operand.published and operand.metric not in row.published:
                    raise ValueError(f"{place}: row '{row.id}' publishes no '{operand.metric}'")
                if not operand.published and row.method is None:
                    raise ValueError(
                        f"{place}: row '{row.id}' is never run here; say `published: true`"
                    )
        return self

    def row(self, row_id: str) -> Row:
        """The row of this id.

        Raises:
            UnknownNameError: there is none; names the nearest ones.
        """
        return pick("row", row_id, {row.id: row for row in self.rows})

    def budget(self, name: str) -> Budget:
        """The budget of this name; ``quick-bf16`` is ``quick`` in bfloat16 mixed precision.

        Raises:
            UnknownNameError: there is none; names the nearest ones.
        """
        limits = pick("budget", name.removesuffix(BF16), self.budgets)
        return limits.in_bf16() if name.endswith(BF16) else limits

    def has_budget(self, name: str) -> bool:
        """Whether there is a budget of this name."""
        return name.removesuffix(BF16) in self.budgets

    def metric_ids(self) -> set[str]:
        """Every metric the spec speaks of: columns, published numbers, claims."""
        published = {metric for row in self.rows for metric in row.published}
        claimed = {side.metric for claim in self.claims for side in (claim.left, claim.right)}
        ranked = {metric for ranking in self.rankings for metric in (ranking.by, ranking.of)}
        return set(self.columns) | published | claimed | ranked


class CellSpec(Model):
    """One cell to run, with everything resolved.

    Args:
        args: the method's arguments, budget and row merged.
        data: the datamodule's arguments that change numbers.
        trainer: the Trainer's arguments that change numbers; empty where nothing is trained.
        pretrain: dataset, data and trainer of a first training, if there is one.
        base: what decides the weights that it starts from, if it does (see `benchmarks.trainings`).
        base_cell: the cell that has them, or is to be trained first; not part of the id.
        data_fingerprint: of all its data, 16 hex digits (see `benchmarks.build.fingerprint`).
        timeout_minutes: not part of the id.
    """

    table: str
    row: str
    method: str
    args: dict[str, Any]
    fit: bool
    train_on: str | None = None
    dataset: str
    data: dict[str, Any]
    trainer: dict[str, Any]
    pretrain: dict[str, Any] | None = None
    base: dict[str, Any] | None = None
    base_cell: CellSpec | None = None
    seed: Seed
    budget: str
    source: Source
    protocol: str
    protocol_version: int
    data_fingerprint: str
    timeout_minutes: float | None = None

    def config(self) -> dict[str, Any]:
        """The allow-list: everything that changes this cell's numbers, and nothing else."""
        config = self.model_dump(exclude={"timeout_minutes", "base_cell"})
        for late in ("pretrain", "train_on", "base"):
            # Cells that were measured before there was such a thing keep their ids.
            if config[late] is None:
                del config[late]
        return config

    @property
    def datasets(self) -> list[tuple[str, dict[str, Any]]]:
        """Id and arguments of its dataset, then of its pretraining's if it has one."""
        first = self.pretrain
        return [
            (self.dataset, self.data),
            *([] if first is None else [(first["dataset"], first["data"])]),
        ]

    @property
    def cell_id(self) -> str:
        """16 hex digits, the same on every machine: a hash of `config`."""
        return digest(self.config())

    def result(self, status: Status, reason: str | None, **measured: Any) -> CellResult:
        """This cell's result; ``measured`` are the fields of `CellResult` that the spec lacks."""
        config = self.config()
        shared = {key: config[key] for key in CellResult.model_fields.keys() & config.keys()}
        return CellResult(
            **shared,
            cell_id=self.cell_id,
            config=config,
            status=status,
            reason=reason,
            **measured,
        )


class CellResult(Model):
    """One measured cell, as it stands in ``RESULTS/cells/<table>/<cell_id>.json``.

    Args:
        reason: why there are no metrics (status other than ``ok``), or a remark (``ok``).
        metrics: metric id -> value, in the metric's unit.
        intervals: metric id -> 95 % interval over the test samples.
        config: `CellSpec.config`, what the id is a hash of.
        wall_seconds: of all attempts together, up to now.
        train_seconds: the part of it spent in training.
        peak_memory_mib: of the process, and of the accelerator where that is more.
        accelerated: ways in which its networks were run that change rounding alone.
    """

    schema_version: Literal[2] = 2
    cell_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    table: Identifier
    row: Identifier
    method: str
    dataset: str
    seed: Seed
    budget: Identifier
    source: Source
    protocol: str
    protocol_version: int
    status: Status
    reason: str | None = None
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    config: dict[str, Any]
    data_fingerprint: str
    data_counts: dict[str, int] = {}
    commit: str
    dirty: bool
    versions: dict[str, str] = {}
    device: str
    world_size: int = 1
    accelerated: list[str] = []
    started: str
    wall_seconds: float
    train_seconds: float = 0.0
    peak_memory_mib: float = 0.0
    epochs: int = 0
    steps: int = 0


def _refuse_twice(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{kind} '{name}' stands twice")
