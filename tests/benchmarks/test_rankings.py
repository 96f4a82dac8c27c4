"""Choosing among runs by a number that asks no label."""

import json

import pytest

from benchmarks.rankings import evaluate_rankings
from benchmarks.tables import render
from tests.benchmarks.made_cells import make_cell, make_spec

RANKING = {"id": "r", "text": "The sure are right", "source": "Paper A", "by": "nme_b", "of": "nme"}


def judge(pairs, of="nme", rows=(), control=None):
    spec = make_spec(rankings=[RANKING | {"of": of, "rows": list(rows)}])
    cells = [
        make_cell(spec, "good" if k % 2 else "plain", k // 2, {"nme_b": by, of: value})
        for k, (by, value) in enumerate(pairs)
    ]
    if control is not None:
        cells.append(make_cell(spec, "mean", 0, {"nme_b": control[0], of: control[1]}))
    (found,) = evaluate_rankings(spec, cells)
    return found, render(spec, cells, "md"), json.loads(render(spec, cells, "json"))


@pytest.mark.parametrize(
    ("values", "verdict", "rho"),
    [
        ([1.0, 2.0, 3.0, 4.0], "holds", 1.0),
        ([4.0, 3.0, 2.0, 1.0], "fails", -1.0),
        ([1.0, 3.0, 2.0, 4.0], "undecided", 0.8),
        ([1.0, 2.0, 3.0], "not run", None),
        ([2.0, 2.0, 2.0, 2.0], "not run", None),
    ],
)
def test_verdicts(values, verdict, rho):
    found, words, data = judge(list(enumerate(values)))
    assert found.verdict == verdict
    assert found.correlation == (None if rho is None else pytest.approx(rho))
    assert f"**{verdict}**: The sure are right." in words
    assert data["rankings"][0]["verdict"] == verdict


def test_the_choice_is_what_the_first_number_likes_best():
    found, words, _ = judge([(3, 2.0), (1, 5.0), (2, 3.0), (4, 6.0)])
    assert found.chosen == ("good", 0)
    assert (found.chosen_value, found.best_value) == (5.0, 2.0)
    assert "the choice is good, seed 0, with nme 5.00, the best has 2.00" in words


def test_where_more_is_better_the_sign_turns():
    found, *_ = judge([(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)], of="var_error_spearman")
    assert found.verdict == "holds" and found.best_value == 0.9


def test_controls_are_no_runs_and_rows_can_be_chosen():
    pairs = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert judge(pairs, control=(0, 9.0))[0].runs == 4
    assert judge(pairs, rows=["good"])[0].runs == 2
    with pytest.raises(ValueError, match="unknown row 'goood'"):
        make_spec(rankings=[RANKING | {"rows": ["goood"]}])
