"""The format of a cell: one schema, one class, and every version there ever was."""

import json
import math
import time
import tomllib
from pathlib import Path

import fastjsonschema
import pytest

from benchmarks.cell_files import (
    CELL_VERSION,
    SCHEMA_FILE,
    ResultError,
    encode,
    read_cell,
    violation,
)
from benchmarks.schema import CellResult, CellSpec
from tests.benchmarks.made_cells import make_cell, make_spec
from tests.plugins import ROOT

GOLDENS = Path(__file__).parent / "goldens" / "cells"
SCHEMA = json.loads(SCHEMA_FILE.read_text())
METRICS = {"nme": 5.0, "nme_b": 4.75}


@pytest.fixture
def cell():
    return make_cell(make_spec(), "good", 3, METRICS, intervals=0.5, reason="a remark")


def written(folder, cell, **changes):
    path = folder / f"{cell.cell_id}.json"
    path.write_text(json.dumps(json.loads(encode(cell)) | changes))
    return path


def test_schema_and_class_have_the_same_keys():
    assert SCHEMA["properties"].keys() == CellResult.model_fields.keys()
    assert set(SCHEMA["required"]) == CellResult.model_fields.keys()
    assert SCHEMA["properties"]["schema_version"]["const"] == CELL_VERSION
    config = SCHEMA["properties"]["config"]
    late = {"train_on", "pretrain", "base"}
    assert config["properties"].keys() == CellSpec.model_fields.keys() - {
        "timeout_minutes",
        "base_cell",
    }
    assert set(config["required"]) == config["properties"].keys() - late


def test_the_schema_is_one_by_itself():
    fastjsonschema.validate(
        # What draft 7 asks of a schema, as far as this one goes.
        {"type": "object", "required": ["$schema", "title", "type", "properties"]},
        SCHEMA,
    )
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    for key, value in SCHEMA["properties"].items():
        assert {"type", "enum", "const", "$ref"} & value.keys(), key


def test_the_schema_is_printed_and_shipped(command):
    code, out, _ = command("schema")
    assert code == 0 and json.loads(out) == SCHEMA
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]["benchmarks"]
    assert SCHEMA_FILE.name in shipped


def test_a_cell_comes_back_as_it_was(cell, tmp_path):
    path = tmp_path / f"{cell.cell_id}.json"
    path.write_text(encode(cell))
    assert read_cell(path) == cell


def test_numbers_that_json_has_no_form_for_come_back(cell, tmp_path):
    odd = {"nme": math.nan, "nme_b": math.inf, "nme_var_b": -math.inf}
    path = tmp_path / f"{cell.cell_id}.json"
    path.write_text(encode(cell.model_copy(update={"metrics": odd})))
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["metrics"]["nme"] == "NaN"
    found = read_cell(path).metrics
    assert math.isnan(found["nme"])
    assert (found["nme_b"], found["nme_var_b"]) == (math.inf, -math.inf)
    # Version 1 wrote them bare; in version 2 that is damage.
    text = path.read_text().replace('"NaN"', "NaN")
    path.write_text(text)
    with pytest.raises(ResultError, match="a bare NaN is no JSON"):
        read_cell(path)
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 1'))
    assert math.isnan(read_cell(path).metrics["nme"])


@pytest.mark.parametrize("version", range(1, CELL_VERSION))
def test_cells_of_every_older_version_are_read(version):
    """The files are as the code of that version wrote them; see git's history of the tables."""
    (path,) = (GOLDENS / f"version-{version}").glob("*.json")
    content = json.loads(path.read_text())
    assert content["schema_version"] == version
    found = read_cell(path)
    assert found.schema_version == CELL_VERSION
    assert (found.cell_id, found.row, found.seed) == ("38ed4601b78e3ad1", "mean-shape", 0)
    assert found.metrics["nme"] == content["metrics"]["nme"] == 8.41618676718704
    assert found.intervals["nme"] == tuple(content["intervals"]["nme"])
    assert found.commit == "e83402b00bbd4f76c94f50c4fdad570f4e927ec4"
    # What is written now is of this version, and says the same.
    again = json.loads(encode(found))
    assert again == {"accelerated": [], **content, "schema_version": CELL_VERSION}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": {"nme": "5.0"}}, "metrics.nme"),
        ({"metrics": None}, "metrics must be object"),
        ({"seed": 3.5}, "seed must be integer"),
        ({"seed": "3"}, "seed must be integer"),
        ({"status": "fine"}, "status must be one of"),
        ({"source": "fake"}, "source must be one of"),
        ({"dirty": 0}, "dirty must be boolean"),
        ({"intervals": {"nme": [1.0]}}, "intervals.nme must contain at least 2 items"),
        ({"intervals": {"nme": [1.0, 2.0, 3.0]}}, "intervals.nme must contain less than"),
        ({"wall_seconds": -1.0}, "wall_seconds must be bigger than or equal to 0"),
        ({"cell_id": "xyz"}, "cell_id must match pattern"),
        ({"table": "../up"}, "table must match pattern"),
        ({"extra": 1}, "must not contain {'extra'} properties"),
        ({"pictures": [[0.0] * 3] * 3}, "must not contain {'pictures'} properties"),
        ({"config": {}}, "config must contain"),
        ({"seed": 4}, "seed is 4, its configuration says 3 (edited by hand?)"),
        ({"row": "plain"}, "row is plain, its configuration says good"),
        ({"schema_version": 3}, "schema_version is 3, this code reads 1 to 2; get a newer"),
        ({"schema_version": 0}, "schema_version is 0, this code reads 1 to 2; delete it"),
        ({"schema_version": None}, "schema_version is None"),
        ({"schema_version": True}, "schema_version is True"),
    ],
)
def test_damage_is_named_with_file_key_and_remedy(cell, tmp_path, change, said):
    path = written(tmp_path, cell, **change)
    with pytest.raises(ResultError) as caught:
        read_cell(path)
    words = str(caught.value)
    assert words.startswith(f"{path}: ") and said in words
    assert "git checkout" in words or "newer whatwhere" in words


def test_an_edited_configuration_is_no_longer_its_id(cell, tmp_path):
    path = written(tmp_path, cell, config=cell.config | {"budget": "full"})
    with pytest.raises(ResultError, match="its id is not the hash of its configuration"):
        read_cell(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 2}', "\udcff"])
def test_what_is_no_cell_at_all(tmp_path, text):
    path = tmp_path / "0123456789abcdef.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ResultError, match=r"0123456789abcdef.json: .*delete it and run the table"):
        read_cell(path)


def test_what_the_schema_forbids_is_not_written(cell):
    for update, said in (
        ({"wall_seconds": -1.0}, "wall_seconds"),
        ({"protocol_version": 0}, "protocol_version"),
    ):
        with pytest.raises(ResultError, match=rf"cell {cell.cell_id} of table made .*{said}"):
            encode(cell.model_copy(update=update))


def test_thousands_of_cells_are_read_in_seconds(cell, tmp_path):
    path = tmp_path / f"{cell.cell_id}.json"
    path.write_text(encode(cell))
    read_cell(path)  # compiles the schema
    start = time.process_time()
    for _ in range(100):
        read_cell(path)
    assert time.process_time() - start < 1.0  # 0.05 s where it was measured


def test_kept_cells_in_git_keep_to_the_schema():
    paths = sorted((ROOT / "results" / "kept" / "cells").glob("*/*.json"))
    assert len(paths) > 100
    for path in paths:
        content = json.loads(path.read_text())
        if content["schema_version"] == CELL_VERSION:
            assert violation(content) == "", path
        assert path.stat().st_size < 20_000, path
        read_cell(path)
