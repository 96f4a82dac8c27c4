"""Reading a table's YAML, and resolving rows and seeds into cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from benchmarks.borrowed import BorrowedError, with_borrowed
from benchmarks.budgets import TrainerArgs
from benchmarks.schema import (
    CellSpec,
    Source,
    Spec,
    UnknownNameError,
    describe,
    pick,
    suggestion,
)
from benchmarks.trainings import built_on

SPECS_FOLDER: Final = Path(__file__).parent / "specs"
MOST_SEEDS: Final = 10_000


class SpecError(ValueError):
    """A specification is wrong; the message names the file and the field."""


def table_ids() -> list[str]:
    """The tables that come with the suite."""
    return sorted(path.stem for path in SPECS_FOLDER.glob("*.yaml"))


def load_spec(table: str | Path) -> Spec:
    """Read a table's specification.

    Args:
        table: the id of a table of the suite, or the path of a YAML file.

    Raises:
        UnknownNameError: no table has this id; names the nearest ones.
        SpecError: the file is missing or wrong; names file and field.
    """
    return _read(_path(table), ())


def is_path(table: str | Path) -> bool:
    """Whether a table is named by its file."""
    return str(table).endswith((".yaml", ".yml"))


def _path(table: str | Path, beside: Path = Path()) -> Path:
    """The file of a table; paths are relative to the folder ``beside``."""
    if not is_path(table):
        return pick(
            "table", str(table), {name: SPECS_FOLDER / f"{name}.yaml" for name in table_ids()}
        )
    path = beside / table
    if not path.is_file():
        raise SpecError(f"{path}: no such file")
    return path


def _read(path: Path, borrowers: tuple[Path, ...]) -> Spec:
    """The specification in a file that others, one after the other, take parts of."""
    if path.resolve() in borrowers:
        raise SpecError(f"{path}: takes from a table that takes from this one")
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid YAML: {error}") from error

    @cache  # every row that is taken asks anew
    def lend(name: str) -> Spec:
        return _read(_path(name, path.parent), (*borrowers, path.resolve()))

    try:
        spec = Spec.model_validate(with_borrowed(content, lend))
    except ValidationError as error:
        raise SpecError(f"{path}: {describe(error)}") from error
    except BorrowedError as error:
        raise SpecError(f"{path}: {error}") from error
    _check_metrics(spec, path)
    return spec


def read_yaml(text: str) -> Any:
    """Parse YAML as tables are written: ``2e-4`` is a number, and a key twice is an error.

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, Loader=_Loader)


def check_ids(spec: Spec) -> None:
    """Look up methods, datasets, splits and the protocol in the registries (imports torch).

    Raises:
        ValueError: an id is unknown, or the protocol has another version; says where.
    """
    from benchmarks.protocols.interface import load_protocol
    from datamodules import registry as datasets
    from lightning_modules import registry as methods

    for row in spec.rows:
        if row.method is not None:
            _known("method", row.method, methods.ids(), f"table '{spec.table}', row '{row.id}'")
    for name, budget in spec.budgets.items():
        for method in budget.methods.keys() | budget.trainers.keys():
            _known("method", method, methods.ids(), f"table '{spec.table}', budget '{name}'")
        if budget.pretrain is not None:
            place = f"table '{spec.table}', budget '{name}', pretrain"
            _known("dataset", budget.pretrain.dataset, datasets.ids(), place)
    _known("dataset", spec.dataset, datasets.ids(), f"table '{spec.table}'")
    for row in spec.rows:
        if row.train_on is not None:
            splits = datasets.load(spec.dataset).splits
            _known("split", row.train_on, splits, f"table '{spec.table}', row '{row.id}'")
    version = load_protocol(spec.protocol.id).VERSION
    if version != spec.protocol.version:
        raise SpecError(
            f"table '{spec.table}' asks for version {spec.protocol.version} of protocol "
            f"'{spec.protocol.id}', the code has version {version}: set `protocol.version: "
            f"{version}` and run the table anew (its finished cells stay, but no longer count)"
        )


def resolve_cell(
    spec: Spec, row_id: str, *, seed: int, budget: str, source: Source, data_fingerprint: str
) -> CellSpec:
    """One row at one seed, with everything merged: method defaults, then budget, then row.

    Raises:
        UnknownNameError: row or budget are unknown.
        SpecError: the row has no method, or is to be trained without ``max_epochs``.
    """
    row, limits = spec.row(row_id), spec.budget(budget)
    if row.method is None:
        raise SpecError(f"row '{row_id}' holds published numbers only: there is nothing to run")
    # Every method takes the size of its pictures; a spec says it once, where the data is.
    size = {"image_size": limits.data["image_size"]} if "image_size" in limits.data else {}
    first = limits.pretrain
    of_method = limits.trainers.get(row.method, TrainerArgs())
    trainer = limits.trainer.given() | of_method.given() | row.trainer.given()
    once = first is not None and first.only
    if row.fit and not once and "max_epochs" not in trainer:
        raise SpecError(
            f"table '{spec.table}', row '{row_id}': no `trainer.max_epochs`, neither in the row "
            f"nor in budget '{budget}'"
        )
    cell = CellSpec(
        table=spec.table,
        row=row.id,
        method=row.method,
        args=size | limits.methods.get(row.method, {}) | row.args,
        fit=row.fit,
        train_on=row.train_on,
        dataset=spec.dataset,
        data=limits.data,
        trainer=trainer if row.fit and not once else {},
        pretrain=None
        if first is None
        else {
            "dataset": first.dataset,
            "data": first.data,
            "trainer": first.trainer.given(),
        },
        seed=seed,
        budget=budget,
        source=source,
        protocol=spec.protocol.id,
        protocol_version=spec.protocol.version,
        data_fingerprint=data_fingerprint,
        timeout_minutes=limits.timeout_minutes,
    )
    if row.starts_from is None:
        return cell
    base = resolve_cell(
        spec.lenders[row.starts_from["table"]],
        row.starts_from["row"],
        seed=seed,
        budget=budget,
        source=source,
        data_fingerprint=data_fingerprint,
    )
    return built_on(cell, base)


def runnable_rows(spec: Spec, rows: Sequence[str] | None = None) -> list[str]:
    """Ids of the rows that are measured here, in the table's order.

    Args:
        spec: the table.
        rows: only these; None for all.

    Raises:
        UnknownNameError: one of ``rows`` is unknown; names the nearest ones.
    """
    for row_id in rows or ():
        spec.row(row_id)
    return [
        row.id for row in spec.rows if row.method is not None and (rows is None or row.id in rows)
    ]


def parse_rows(text: str | None) -> list[str] | None:
    """``"a,b"`` -> two row ids; nothing -> None, which stands for all rows."""
    ids = [part.strip() for part in (text or "").split(",") if part.strip()]
    return ids or None


def parse_seeds(text: str | None) -> list[int] | None:
    """``"3"`` -> [0, 1, 2]; ``"0,4"`` -> [0, 4]; ``"7,"`` -> [7]; nothing -> None.

    Raises:
        ValueError: these are no seeds.
    """
    if text is None or not text.strip():
        return None
    wanted = "give how many seeds (3 for 0, 1 and 2) or which ones (0,4 or 7, with its comma)"
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(re.fullmatch(r"[0-9]{1,10}", part) for part in parts):
        raise ValueError(f"'{text}' are no seeds; {wanted}")
    numbers = [int(part) for part in parts]
    if "," not in text and numbers[0] > MOST_SEEDS:
        raise ValueError(f"'{text}': more than {MOST_SEEDS:,} seeds; {wanted}")
    seeds = numbers if "," in text else list(range(numbers[0]))
    if not seeds or len(set(seeds)) < len(seeds) or max(seeds) >= 2**31:
        raise ValueError(f"'{text}': no seed, a seed twice, or one beyond 2**31; {wanted}")
    return seeds


def _known(kind: str, name: str, ids: Iterable[str], place: str) -> None:
    known = list(ids)
    if name not in known:
        raise UnknownNameError(f"{place}: unknown {kind} '{name}'; {suggestion(name, known)}")


def _check_metrics(spec: Spec, path: Path) -> None:
    from benchmarks.metrics import METRICS

    for metric in sorted(spec.metric_ids()):
        if metric not in METRICS:
            raise SpecError(f"{path}: unknown metric '{metric}'; {suggestion(metric, METRICS)}")
    for claim in spec.claims:
        names = (claim.left.metric, claim.right.metric)
        if len({METRICS[name].unit for name in names}) > 1:
            raise SpecError(
                f"{path}: claim '{claim.id}' compares metrics of different units: "
                f"{' and '.join(names)}"
            )


class _Loader(yaml.SafeLoader):
    """YAML as people expect it: 2e-4 is a number, and a key twice is an error.

    A mapping may begin with another's keys (``<<: *other``) and set some of them anew.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML reads, asks for a dot: it takes 2e-4 for a word.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
