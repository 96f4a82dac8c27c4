"""Specifications that take budgets and rows from another table."""

import pytest
import yaml

from benchmarks.specs import SpecError, check_ids, load_spec, resolve_cell, runnable_rows
from benchmarks.trainings import training_id
from tests.benchmarks.tiny import SPEC

BORROWER = """
table: second
title: A second table
dataset: tiny
protocol: {id: tiny, version: 1}
columns: [nme]
budgets_of: tiny.yaml
budgets:
  smoke: {methods: {vae: {sigma: 0.3}}}
rows:
  - {id: good, of: tiny.yaml}
  - {id: nan, of: tiny.yaml, label: Not a number, note: It has a note.}
  - {id: own, label: Its own, method: tiny, args: {n_keypoints: 3}}
"""


@pytest.fixture
def borrowing(tmp_path):
    """Load the second table after a change of its content."""

    def load(change=lambda content: None):
        (tmp_path / "tiny.yaml").write_text(SPEC)
        content = yaml.safe_load(BORROWER)
        change(content)
        (tmp_path / "second.yaml").write_text(yaml.safe_dump(content))
        return load_spec(tmp_path / "second.yaml")

    return load


def cells(spec, budget="smoke"):
    choice = {"seed": 0, "source": "standin", "data_fingerprint": "f" * 16, "budget": budget}
    return {row: resolve_cell(spec, row, **choice) for row in runnable_rows(spec)}


def test_borrowed_rows_are_the_same_training_in_another_table(borrowing, tmp_path):
    spec = borrowing()
    theirs, ours = cells(load_spec(tmp_path / "tiny.yaml")), cells(spec)
    assert list(ours) == ["good", "nan", "own"]
    for row in ("good", "nan"):
        assert ours[row].cell_id != theirs[row].cell_id
        assert training_id(ours[row].config()) == training_id(theirs[row].config())
    assert ours["nan"].args == {"image_size": 8, "lr": 0.01, "trouble": "nan"}
    assert [row.label for row in spec.rows] == ["Good", "Not a number", "Its own"]
    assert spec.row("nan").note == "It has a note." and spec.row("good").note == ""
    assert spec.budget("smoke").methods == {"tiny": {"lr": 0.01}, "vae": {"sigma": 0.3}}
    assert spec.budget("smoke").timeout_minutes == 5


def test_published_numbers_stay_where_they_are(borrowing, tmp_path):
    content = yaml.safe_load(SPEC)
    content["rows"][0]["published"] = {"nme": {"value": 1.0, "source": "a paper"}}
    spec = borrowing()
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
    assert load_spec(tmp_path / "tiny.yaml").row("good").published
    assert (
        spec.row("good").published
        == {}
        == load_spec(tmp_path / "second.yaml").row("good").published
    )


def test_a_third_table_may_take_from_the_second(borrowing, tmp_path):
    borrowing()
    content = yaml.safe_load(BORROWER.replace("tiny.yaml", "second.yaml")) | {"table": "third"}
    del content["budgets"]
    (tmp_path / "third.yaml").write_text(yaml.safe_dump(content))
    third = load_spec(tmp_path / "third.yaml")
    assert third.budget("smoke").methods["vae"] == {"sigma": 0.3}
    # But in no circle.
    with pytest.raises(SpecError, match=r"second\.yaml: takes from a table that takes from this"):
        borrowing(lambda c: c.update(budgets_of="third.yaml"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.update(budgets_of="mugg"),
            "budgets_of: unknown table 'mugg'; did you mean mug",
        ),
        (lambda c: c.update(budgets_of="no.yaml"), r"budgets_of: .*no\.yaml: no such file"),
        (lambda c: c.update(budgets_of="mug"), "budgets_of: table 'mug' is of dataset 'mug', this"),
        (lambda c: c.update(budgets={"smok": {}}), r"budgets\.smok: unknown budget .* mean smoke"),
        (
            lambda c: c["budgets"]["smoke"].update(trainer={"max_epochs": 2}),
            r"budgets\.smoke\.trainer: comes from table 'tiny\.yaml' .*; only `methods`",
        ),
        (
            lambda c: c["budgets"]["smoke"]["methods"].update(tiny={}),
            r"budgets\.smoke\.methods\.tiny: comes from table 'tiny\.yaml'.*take it out",
        ),
        (lambda c: c.update(budgets=[1]), r"budgets: should be a mapping, is \[1\]"),
        (lambda c: c["budgets"].update(smoke=3), r"budgets\.smoke: should be a mapping, is 3"),
        (
            lambda c: c["budgets"]["smoke"].update(methods=[]),
            r"budgets\.smoke\.methods: should be a mapping",
        ),
        (lambda c: c["rows"][0].update(of="mugg"), r"rows\.0\.of: unknown table 'mugg'"),
        (
            lambda c: c["rows"][1].update(id="nam"),
            r"rows\.1\.id: unknown row of table 'tiny\.yaml' 'nam'; did you mean nan",
        ),
        (lambda c: c["rows"][0].update(id="paper"), r"rows\.0\.id: unknown row .*'paper'"),
        (
            lambda c: c["rows"][0].update(args={"lr": 1}),
            r"rows\.0\.args: comes from table 'tiny\.yaml' \(`of`\); a row without",
        ),
        (
            lambda c: c["rows"].append({"id": "good", "of": "tiny.yaml"}),
            r"\(whole file\): row 'good'",
        ),
    ],
)
def test_errors_name_the_file_and_the_field(borrowing, change, message):
    with pytest.raises(SpecError, match=rf"(?s)second\.yaml: {message}"):
        borrowing(change)


@pytest.mark.parametrize("table", ["leakage", "resampling"])
def test_tables_on_mug_share_its_trainings(table):
    mug, spec = load_spec("mug"), load_spec(table)
    check_ids(spec)
    own = {"deformable-amortised", "abp", "untrained"}
    for budget in mug.budgets:
        theirs, ours = cells(mug, budget), cells(spec, budget)
        assert len(ours.keys() - own) >= 4
        for row in ours.keys() - own:
            assert training_id(ours[row].config()) == training_id(theirs[row].config()), row


def test_no_number_from_hearsay_is_printed():
    published = [row for row in load_spec("resampling").rows if row.published]
    assert [row.id for row in published] == ["vdsm"]
    assert "wizwand" in published[0].published["resampled_what_acc"].source
    assert not any(row.published for row in load_spec("leakage").rows)
    claims = [claim for table in ("leakage", "resampling") for claim in load_spec(table).claims]
    assert {claim.origin for claim in claims} == {"suite"}
