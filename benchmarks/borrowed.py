"""Specifications that take budgets and rows from another table, so that nothing is written twice.

::

    budgets_of: mug                       # data, trainer, methods, ... of every budget of mug's
    budgets:
      quick: {methods: {abp: {...}}}      # arguments of methods that mug knows nothing of
    rows:
      - {id: deformable, of: mug}         # mug's row: method, arguments, what it is trained on
      - {id: vae, of: mug, note: A control.}

A row may also start from the finished weights of a row of another table, and learn more on them::

      - {id: graph, method: graph_dynamics, starts_from: {table: clevrer, row: dlp}}

What a row was trained on and with cannot be changed here, so cells of both tables are one training
(`benchmarks.trainings`). Published numbers stay behind: they are of the other table's metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from benchmarks.schema import Spec, pick

T = TypeVar("T")

OWN: Final = frozenset({"id", "of", "label", "note", "published"})
"""What a borrowed row may say for itself."""

ADDED: Final = ("methods", "trainers")
"""What a borrowed budget may say of methods that the other table knows nothing of."""

Lender = Callable[[str], Spec]
"""Gives a table by what the specification calls it."""


class BorrowedError(ValueError):
    """Something cannot be taken from another table; the message begins with the field."""


def with_borrowed(content: Any, lend: Lender) -> Any:
    """A specification's content with all that it takes from others in its place.

    Args:
        content: as it stands in the file; what is no mapping is left alone.
        lend: of the other tables; its errors pass, with the field before them.

    Raises:
        BorrowedError: a table, row or budget is unknown, or is changed here; names the field.
    """
    if not isinstance(content, dict):
        return content
    made = {key: value for key, value in content.items() if key != "budgets_of"}
    if "budgets_of" in content:
        made["budgets"] = _budgets(content, lend)
    if isinstance(content.get("rows"), list):
        made["rows"] = [_row(f"rows.{n}", row, lend) for n, row in enumerate(content["rows"])]
        made["lenders"] = _lenders(made["rows"], lend)
    return made


def _budgets(content: dict[str, Any], lend: Lender) -> dict[str, Any]:
    name, own = content["budgets_of"], _mapping("budgets", content.get("budgets", {}))
    lender = _lent("budgets_of", name, lend)
    if lender.dataset != content.get("dataset"):
        raise BorrowedError(
            f"budgets_of: table '{name}' is of dataset '{lender.dataset}', this one of "
            f"'{content.get('dataset')}'; write down budgets of its own"
        )
    made = {key: _given(budget) for key, budget in lender.budgets.items()}
    for key, added in own.items():
        place = f"budgets.{key}"
        budget = _named(place, "budget", str(key), made)
        for field in _mapping(place, added):
            if field not in ADDED:
                raise BorrowedError(
                    f"{place}.{field}: comes from table '{name}' (`budgets_of`); only "
                    f"{' and '.join(f'`{part}`' for part in ADDED)} can be added"
                )
            methods, more = budget.get(field, {}), _mapping(f"{place}.{field}", added[field])
            for method in sorted(methods.keys() & more.keys()):
                raise BorrowedError(
                    f"{place}.{field}.{method}: comes from table '{name}' (`budgets_of`); take it "
                    "out"
                )
            budget = budget | {field: methods | more}
        made[key] = budget
    return made


def _row(place: str, row: Any, lend: Lender) -> Any:
    if not isinstance(row, dict) or "of" not in row:
        return row
    name = row["of"]
    for field in row:
        if field not in OWN:
            raise BorrowedError(
                f"{place}.{field}: comes from table '{name}' (`of`); a row without `of` may differ"
            )
    rows = {lent.id: lent for lent in _lent(f"{place}.of", name, lend).rows if lent.method}
    lent = _named(f"{place}.id", f"row of table '{name}'", str(row.get("id")), rows)
    own = {field: value for field, value in row.items() if field != "of"}
    return _given(lent, "published") | own


def _lenders(rows: list[Any], lend: Lender) -> dict[str, Spec]:
    """The tables of all rows that rows start from."""
    found: dict[str, Spec] = {}
    for number, row in enumerate(rows):
        start = row.get("starts_from") if isinstance(row, dict) else None
        if not isinstance(start, dict):
            continue
        place, name = f"rows.{number}.starts_from", str(start.get("table"))
        found[name] = _lent(f"{place}.table", name, lend)
        rows_there = {lent.id: lent for lent in found[name].rows if lent.method}
        _named(f"{place}.row", f"row of table '{name}'", str(start.get("row")), rows_there)
    return found


def _lent(place: str, name: Any, lend: Lender) -> Spec:
    try:
        return lend(str(name))
    except ValueError as error:
        raise BorrowedError(f"{place}: {error}") from error


def _named(place: str, kind: str, name: str, known: dict[str, T]) -> T:
    try:
        return pick(kind, name, known)
    except ValueError as error:
        raise BorrowedError(f"{place}: {error}") from error


def _mapping(place: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise BorrowedError(f"{place}: should be a mapping, is {found!r}")
    return found


def _given(part: Any, *left_out: str) -> dict[str, Any]:
    """What a part of a specification says, and nothing that it leaves to defaults."""
    found: dict[str, Any] = part.model_dump(exclude_unset=True, exclude=set(left_out))
    return found
