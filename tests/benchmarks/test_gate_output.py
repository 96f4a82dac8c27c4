"""What continuous integration gets of the gate."""

import json
from xml.etree import ElementTree

import pytest

from benchmarks import gate
from benchmarks.gate_report import GateReport
from tests.benchmarks.test_gate import CELLS, accepted, check, noisy_cells, replaced

WORSE = check(noisy_cells(3, start=100, factors={"good": 1.1})[1])
BROKEN = check(replaced(CELLS, "good", 100, status="failed", reason="a\x1b<b>", metrics={}))
FINE = check(CELLS)


def test_junit_tells_failures_from_errors_a_suite_a_table(tmp_path):
    path = tmp_path / "gate.xml"
    gate.publish([FINE, WORSE, BROKEN], gate.Outputs(junit=path), {})
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("13", "2", "1")
    counts = [(suite.get("failures"), suite.get("errors")) for suite in root]
    assert counts == [("0", "0"), ("2", "0"), ("0", "1")]
    assert root[1].find("testcase[@name='nme']/failure") is not None
    assert "a <b>" in root[2].find("testcase/error").get("message")


def test_json_has_every_number(tmp_path):
    path = tmp_path / "gate.json"
    gate.publish([WORSE, BROKEN], gate.Outputs(json=path), {})
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content["exit_code"] == 2
    worse, broken = content["tables"]
    assert (worse["name"], worse["exit_code"], worse["tier"]) == (
        *("made-quick-standin", 1, "statistics"),
    )
    assert (broken["exit_code"], broken["findings"]) == (2, [])
    assert broken["errors"][0].startswith("good: seed 100 failed: a\x1b<b>")
    found = {(item["row"], item["metric"]): item for item in worse["findings"]}
    first = found["good", "nme"]
    assert first["outcome"] == "regression" and first["p"] < 0.02
    assert first["values"].keys() == {"100", "101", "102"}
    assert first["baseline"]["n"] == 10
    assert first["worse_by"] == pytest.approx(first["mean"] - first["baseline"]["mean"])
    assert first["baseline"]["tolerance"] == pytest.approx(0.02 * first["baseline"]["mean"])


def test_smoke_tables_have_no_p_and_are_json_too(tmp_path):
    baseline = accepted(seeds=1, budget="smoke")
    report = check(noisy_cells(1, budget="smoke")[1], baseline)
    gate.publish([report], gate.Outputs(json=tmp_path / "gate.json"), {})
    content = json.loads((tmp_path / "gate.json").read_text(), parse_constant=pytest.fail)
    (table,) = content["tables"]
    assert table["tier"] == "tolerance" and table["findings"][0]["p"] is None


def test_markdown_is_short_and_worst_first(tmp_path):
    path = tmp_path / "new" / "gate.md"
    gate.publish([FINE, WORSE, BROKEN], gate.Outputs(markdown=path), {})
    text = path.read_text()
    places = [text.index(f"made-quick-standin: {words}") for words in ("NOT", "WORSE", "fine")]
    assert places == sorted(places)
    assert text.count("**regression**") == WORSE.count("regression") == 2
    assert "| pass" not in text and "| pass" in WORSE.text
    assert "WORSE, 2 regressions, 6 compared" in text and text.endswith("\n")


def test_the_worst_table_decides():
    assert gate.exit_code([FINE, WORSE]) == 1
    assert gate.exit_code([BROKEN, WORSE, FINE]) == 2
    assert gate.exit_code([FINE]) == 0
    assert gate.exit_code([GateReport("x", ("not there",))]) == 2


def test_annotations_of_several_tables_and_one_summary(tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    lines = gate.publish([FINE, WORSE, BROKEN], environ=environ)
    assert [line.partition(" title=")[0] for line in lines] == ["::error"] * 3
    assert summary.read_text().startswith("before\n## Gate made-quick-standin: NOT COMPARABLE")
