"""A cell's file: checked by its JSON Schema as it is written and as it is read.

``cell.schema.json`` is what people rely on who read cells without this suite (`whatwhere schema`
prints it); `CellResult` is the same in Python, and a test compares the two. The schema says more
than the class: pydantic would take ``"5"`` for a number.

Versions: 1 wrote numbers that JSON has no form for as bare ``NaN`` and ``Infinity``, which most
readers of JSON refuse; 2 writes them as words, and says how a cell was accelerated. A file of an
older version is brought up to date as it is read, and stays as it is on the disk. A change of the
format is a new version here, in `CellResult` and in the schema, with a line in `MIGRATIONS`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import fastjsonschema
from pydantic import ValidationError

from benchmarks.files import digest
from benchmarks.schema import CellResult, describe

CELL_VERSION: Final[int] = CellResult.model_fields["schema_version"].default
SCHEMA_FILE: Final = Path(__file__).with_name("cell.schema.json")
REMEDY: Final = "delete it and run the table again; a kept one comes back by `git checkout`"


class ResultError(ValueError):
    """A cell's file is damaged, or two cells contradict each other."""


class NewerVersionError(ResultError):
    """A cell's file is of a version that this code does not know: not damaged, but not for it."""


def encode(result: CellResult) -> str:
    """A cell as the text of its file.

    Raises:
        ResultError: the schema does not allow it; names the key.
    """
    text = result.model_dump_json(indent=2) + "\n"
    problem = violation(json.loads(text))
    if problem:
        raise ResultError(
            f"cell {result.cell_id} of table {result.table} cannot be written: {problem}; "
            "`whatwhere schema` shows what a cell may hold"
        )
    return text


def read_cell(path: Path) -> CellResult:
    """Read and check a cell's file, of this version or of an older one.

    Raises:
        ResultError: the file is damaged, of a version this code does not know, or its id is not
            the hash of its configuration.
    """
    return decode(path.read_bytes(), str(path), path.stem)


def decode(text: bytes, place: str, cell_id: str, remedy: str = REMEDY) -> CellResult:
    """Check the content of a cell's file, whoever wrote it.

    Args:
        text: the content.
        place: where it is from, for errors.
        cell_id: whose it has to be.
        remedy: what to do about a bad one, for errors.

    Raises:
        ResultError: as for `read_cell`.
    """
    content = _migrated(_parsed(text, place, remedy), place, remedy)
    problem = violation(content)
    if problem:
        raise ResultError(f"{place}: {problem} (see `whatwhere schema`); {remedy}")
    try:
        result = CellResult.model_validate(content)
    except ValidationError as error:
        raise ResultError(f"{place}: {describe(error)}; {remedy}") from error
    try:
        expected = digest(result.config)
    except ValueError as error:  # numbers that are not finite
        raise ResultError(f"{place}: its configuration has no hash ({error}); {remedy}") from error
    if expected != result.cell_id or cell_id != result.cell_id:
        raise ResultError(
            f"{place}: its id is not the hash of its configuration (edited by hand?); {remedy}"
        )
    for key in sorted(content["config"].keys() & content.keys()):
        if content[key] != content["config"][key]:
            raise ResultError(
                f"{place}: {key} is {content[key]}, its configuration says "
                f"{content['config'][key]} (edited by hand?); {remedy}"
            )
    return result


def violation(content: Any) -> str:
    """What the schema does not allow, with the key; "" if nothing."""
    try:
        _validate()(content)
    except fastjsonschema.JsonSchemaValueException as error:
        return str(error.message).replace("data.", "", 1)
    return ""


def _parsed(text: bytes, place: str, remedy: str) -> dict[str, Any]:
    bare: list[str] = []

    def constant(name: str) -> float:
        bare.append(name)
        return float(name)

    try:
        content = json.loads(text, parse_constant=constant)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a trap of brackets
        raise ResultError(f"{place}: not valid JSON ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise ResultError(f"{place}: holds no JSON object; {remedy}")
    if bare and content.get("schema_version") != 1:
        raise ResultError(f"{place}: a bare {bare[0]} is no JSON; {remedy}")
    return content


def _migrated(content: dict[str, Any], place: str, remedy: str) -> dict[str, Any]:
    version = content.get("schema_version")
    if type(version) is not int or not 1 <= version <= CELL_VERSION:
        said = f"{place}: schema_version is {version}, this code reads 1 to {CELL_VERSION}"
        if type(version) is int and version > CELL_VERSION:
            raise NewerVersionError(f"{said}; get a newer whatwhere")
        raise ResultError(f"{said}; {remedy}")
    for old in range(version, CELL_VERSION):
        content = MIGRATIONS[old](content) | {"schema_version": old + 1}
    return content


def _to_version_2(content: dict[str, Any]) -> dict[str, Any]:
    """What JSON has no number for becomes a word; no network was accelerated before."""
    changed: dict[str, Any] = _words_for_numbers(content)
    return {"accelerated": [], **changed}


def _words_for_numbers(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _words_for_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_words_for_numbers(item) for item in value]
    return value


MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _to_version_2}
"""Version -> what makes it the next one."""


@cache
def _validate() -> Callable[[Any], Any]:
    # Compiled to plain Python once: a cell is then read in half a millisecond, all checks included.
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    found: Callable[[Any], Any] = fastjsonschema.compile(schema)
    return found
