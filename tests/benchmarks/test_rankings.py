"""Choosing among runs by a number that asks no label."""

import json

import numpy as np
import pytest

from benchmarks.rankings import evaluate_rankings
from benchmarks.tables import render
from tests.benchmarks.made_cells import SPEC, make_cell, make_spec

RANKING = {"id": "r", "text": "The sure are right", "source": "Paper A", "by": "nme_b", "of": "nme"}


def judge(pairs, of="nme", rows=(), control=None, seeds=1):
    """One row a pair, or one of several pairs, its seeds."""
    names = [f"row-{k}" for k in range(len(pairs) // seeds)]
    learning = [{"id": name, "label": name, "method": "dlp"} for name in names]
    mean = next(row for row in SPEC["rows"] if row["id"] == "mean")
    ranking = RANKING | {"of": of, "rows": list(rows)}
    spec = make_spec(rows=[*learning, mean], rankings=[ranking])
    cells = [
        make_cell(spec, names[k // seeds], k % seeds, {"nme_b": by, of: value})
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
    assert found.chosen == ("row-1", 0)
    assert (found.chosen_value, found.best_value) == (5.0, 2.0)
    assert "the choice is row-1, seed 0, with nme 5.00, the best has 2.00" in words


def test_where_more_is_better_the_sign_turns():
    found, *_ = judge([(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)], of="var_error_spearman")
    assert found.verdict == "holds" and found.best_value == 0.9


def test_controls_are_no_runs_and_rows_can_be_chosen():
    pairs = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert judge(pairs, control=(0, 9.0))[0].runs == 4
    assert judge(pairs, rows=["row-1", "row-3"])[0].runs == 2
    with pytest.raises(ValueError, match="unknown row 'goood'"):
        make_spec(rankings=[RANKING | {"rows": ["goood"]}])


def test_seeds_of_a_row_are_no_witnesses_of_their_own():
    # Two rows far apart, whose seeds follow: nothing but one difference between two rows.
    apart = [(k + 10 * (k // 4), k + 10.0 * (k // 4)) for k in range(8)]
    found, *_ = judge(apart, seeds=4)
    assert (found.verdict, found.runs, found.rows) == ("not run", 8, 2)
    # Against the order within rows, four rows in order hold.
    turned = [(10 * (k // 2) + k % 2, 10.0 * (k // 2) - k % 2) for k in range(8)]
    found, words, _ = judge(turned, seeds=2)
    assert (found.verdict, found.correlation) == ("holds", pytest.approx(1.0))
    assert "Spearman 1.00 over 4 rows, 8 runs; the choice is row-0, seed 0, with nme 0.00" in words
    assert found.best_value == -1.0


def test_rows_without_relation_hold_as_often_as_is_said():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        rows = 5 * generator.normal(size=(5, 1, 2))
        pairs = (rows + generator.normal(size=(5, 3, 2))).reshape(15, 2) + 50
        held += judge(list(map(tuple, pairs)), seeds=3)[0].verdict == "holds"
    # One-sided 5 %, of 300: three standard deviations are 3.8 %.
    assert held / 300 < 0.09
