"""Two measurements of one table: what changed beyond the noise, and how often that is wrong."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import comparison_report
from benchmarks.comparison import beyond_noise, compare_tables, margins
from benchmarks.gate import effective_std
from benchmarks.metrics import METRICS
from benchmarks.statistics import difference_p, visible_difference
from benchmarks.summaries import MixedCellsError, by_row
from tests.benchmarks.made_cells import claim, make_cell, make_row, make_spec

CLAIM = claim(("good", "nme"), ("plain", "nme"))


def side(good, plain=(8.0, 8.1, 7.9), spec=None, **changes):
    spec = spec or make_spec(claims=[CLAIM])
    return [
        *make_row(spec, "good", list(good), **changes),
        *make_row(spec, "plain", list(plain), **changes),
    ]


def compared(before, after, spec=None):
    return compare_tables(spec or make_spec(claims=[CLAIM]), before, after)


def outcomes(found):
    return {(item.name, item.metric): item.outcome for item in found.metrics}


def test_worse_better_equal_and_within_the_noise():
    old = side([5.0, 5.05, 4.95])
    worse = compared(old, side([7.0, 7.05, 6.95]))
    assert outcomes(worse) == {("good", "nme"): "worse", ("plain", "nme"): "equal"}
    assert (worse.exit_code, worse.name) == (1, "made-quick-standin")
    better = compared(side([7.0, 7.05, 6.95]), old)
    assert outcomes(better)["good", "nme"] == "better" and better.exit_code == 0
    (change,) = (item for item in better.metrics if item.name == "good")
    assert change.better_by == pytest.approx(2.0)
    same = compared(old, side([5.02, 5.07, 4.97]))
    assert outcomes(same)["good", "nme"] == "within the noise" and same.exit_code == 0


def test_the_test_is_welchs_over_the_seeds():
    old, new = [5.0, 5.3, 4.9], [5.6, 5.1, 5.5]
    (change,) = (item for item in compared(side(old), side(new)).metrics if item.name == "good")
    assert change.p == pytest.approx(stats.ttest_ind(old, new, equal_var=False).pvalue)
    # Of unequal numbers Student's test has to agree.
    more = [*old, 5.05, 4.95]
    (uneven,) = (item for item in compared(side(more), side(new)).metrics if item.name == "good")
    both = [stats.ttest_ind(more, new, equal_var=equal).pvalue for equal in (False, True)]
    assert uneven.p == pytest.approx(max(both)) and (uneven.before[2], uneven.after[2]) == (5, 3)
    # Holm over all that are tested: with a second one the chance of the smaller doubles.
    two = compared(side(old), side(new, plain=[8.0, 8.3, 7.9]))
    (again,) = (item for item in two.metrics if item.name == "good")
    assert again.p == pytest.approx(2 * change.p)


def test_a_change_below_the_tolerance_is_none():
    old, new = [5.0, 5.001, 4.999], [5.09, 5.091, 5.089]
    (change,) = (item for item in compared(side(old), side(new)).metrics if item.name == "good")
    assert change.p < 0.001 and change.outcome == "within the noise"
    assert change.visible == pytest.approx(0.02 * 5.0)


def test_single_seeds():
    one = compared(side([5.0], [8.0]), side([7.0], [8.0]))
    assert outcomes(one) == {("good", "nme"): "no test", ("plain", "nme"): "equal"}
    assert one.exit_code == 0 and "one seed a side" in one.metrics[0].why
    words = comparison_report.to_markdown("one", "other", [one])
    assert "## made-quick-standin: not tested throughout, 1 no test, 1 equal" in words
    # Against several seeds a single one is taken to spread as they do.
    many = [5.0, 5.05, 4.95, 5.02]
    (change,) = (item for item in compared(side(many), side([9.0])).metrics if item.name == "good")
    gap = (9.0 - np.mean(many)) / (np.std(many, ddof=1) * math.sqrt(1 / 4 + 1))
    assert change.p == pytest.approx(2 * stats.t.sf(gap, 3)) and change.outcome == "worse"


def test_numbers_that_were_lost_are_worse_and_survivors_do_not_flatter():
    spec = make_spec(claims=[CLAIM])
    old = side([5.0, 5.05, 4.95])
    new = side([4.0, 4.05])
    gone = make_cell(spec, "good", 2, status="failed", reason="loss is nan")
    found = compared(old, [*new, gone])
    assert outcomes(found)["good", "nme"] == "lost" and found.exit_code == 1
    assert found.metrics[0].why == "seed 2 failed: loss is nan"
    back = compared([*new, gone], old)
    assert outcomes(back)["good", "nme"] == "no test" and back.exit_code == 0
    all_gone = [make_cell(spec, "good", 0, status="failed", reason="no")]
    first = compared([*all_gone, *make_row(spec, "plain", [8.0])], old)
    assert outcomes(first)["good", "nme"] == "new"


def test_what_does_not_compare_exits_2():
    spec = make_spec()
    old = make_row(spec, "good", [5.0, 5.1])
    new = [cell.model_copy(update={"protocol_version": 2}) for cell in old]
    found = compare_tables(spec, old, new)
    assert found.exit_code == 2 and found.metrics == ()
    (said,) = found.errors
    assert said.startswith("protocol_version is 1 before and 2 after")
    with pytest.raises(MixedCellsError, match="two cells of seed 0"):
        compare_tables(spec, old, [*old, old[0]])


def test_what_is_compared_has_a_better_and_a_worse():
    # Gate and comparison look at gated metrics alone; what only describes is none of them.
    assert [info.id for info in METRICS.values() if info.gated and not info.judged] == []


def test_rows_and_settings_that_differ_are_said():
    spec = make_spec()
    old = [*make_row(spec, "good", [5.0, 5.1]), *make_row(spec, "mean", [9.0])]
    new = make_row(spec, "good", [5.0, 5.1])
    args = new[0].config["args"] | {"n_keypoints": 50}
    new = [cell.model_copy(update={"config": cell.config | {"args": args}}) for cell in new]
    found = compare_tables(spec, old, [new[1], *make_row(spec, "plain", [8.0])])
    assert found.notes == (
        "good: other settings, args.n_keypoints 30 -> 50",
        "good: seed 0 only before",
        "plain: only after",
        "mean: only before",
    )


def test_claims_that_turn():
    old = side([5.0, 5.05, 4.95])
    fails = compared(old, side([9.0, 9.05, 8.95]))
    (turned,) = fails.claims
    assert (turned.before, turned.after, turned.outcome) == ("holds", "fails", "worse")
    assert turned.margin.before[0] == pytest.approx(3.0)
    assert turned.margin.after[0] == pytest.approx(-1.0)
    assert fails.exit_code == 1
    (back,) = compared(side([9.0, 9.05, 8.95]), old).claims
    assert (back.before, back.after, back.outcome) == ("fails", "holds", "better")
    # A smaller margin is none of a claim's business as long as it holds.
    (smaller,) = compared(old, side([7.0, 7.05, 6.95])).claims
    assert (smaller.after, smaller.margin.outcome) == ("holds", "worse")
    assert smaller.outcome == "within the noise"
    spec = make_spec(claims=[CLAIM])
    (gone,) = compared(old, make_row(spec, "good", [5.0, 5.05, 4.95])).claims
    assert (gone.before, gone.after, gone.outcome) == ("holds", "not run", "lost")


def test_margins_are_paired_by_seed_and_in_the_claims_favour():
    spec = make_spec(
        claims=[
            claim(("good", "nme"), ("plain", "nme"), id="less", factor=0.5),
            claim(("good", "nme"), ("plain", "nme"), id="more", relation=">"),
            claim(("good", "nme"), ("elsewhere", "nme", "published"), id="paper"),
            claim(("good", "nme"), ("plain", "nme"), id="kept", factor=0.5, chance=4.0),
        ]
    )
    rows = by_row(
        spec,
        [*make_row(spec, "good", {0: 5.0, 1: 6.0}), *make_row(spec, "plain", {1: 8.0, 2: 9.0})],
    )
    less, more, paper, kept = (margins(item, spec, rows) for item in spec.claims)
    assert (less, more) == ({1: -2.0}, {1: -2.0})
    assert paper == {0: -2.0, 1: -3.0}
    assert kept == {1: 0.5 * (8.0 - 4.0) - (6.0 - 4.0)}


def test_the_report_says_it_and_hostile_names_take_no_effect():
    spec = make_spec(claims=[CLAIM])
    old, new = side([5.0, 5.05, 4.95]), side([9.0, 9.05, 8.95])
    found = [compare_tables(spec, old, new)]
    text = comparison_report.to_markdown("main | <b>", "HEAD (0123456789)", found)
    assert text.startswith("# main \\| &lt;b&gt; → HEAD (0123456789)")
    assert "## made-quick-standin: worse, 1 worse, 1 equal" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| good")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:5] == ["`nme`", "5.00 ± 0.05 (n = 3)", "9.00 ± 0.05 (n = 3)", "-4"]
    assert cells[-1] == "**worse**"
    assert "- **worse, holds → fails**: One beats the other. Margin 3.00" in text
    content = json.loads(comparison_report.to_json("a", "b", found), parse_constant=pytest.fail)
    assert content["exit_code"] == 1
    (table,) = content["tables"]
    assert table["claims"][0]["margin"]["before"][2] == 3
    assert {item["outcome"] for item in table["metrics"]} == {"worse", "equal"}


def simulate(tables, metrics, n, m, noise, shift=0.0, *, dof=math.inf, ratio=1.0):
    """Which numbers differ in simulated tables; ``shift`` moves the first one.

    ``dof`` gives heavier tails, ``ratio`` is how much more the second side spreads.
    """
    rng = np.random.default_rng(0)

    def draw(count, noise):
        size = (tables, metrics, count)
        if math.isinf(dof):
            return 1 + noise * rng.standard_normal(size)
        return 1 + noise * rng.standard_t(dof, size) / math.sqrt(dof / (dof - 2))

    old, new = draw(n, noise), draw(m, ratio * noise)
    new[:, 0] += shift
    tolerance = 0.02 * np.abs(old.mean(-1))
    (s, t) = (
        effective_std(
            side.std(-1, ddof=1) if side.shape[-1] > 1 else 0 * tolerance, side.mean(-1), tolerance
        )
        for side in (old, new)
    )
    p = difference_p(old.mean(-1), s, n, new.mean(-1), t, m)
    return beyond_noise(new.mean(-1) - old.mean(-1), p, tolerance)[0]


@pytest.mark.parametrize("metrics", [1, 60])
@pytest.mark.parametrize(("n", "m"), [(3, 3), (10, 3), (3, 10), (10, 10), (3, 1)])
def test_false_alarms_stay_below_two_percent_of_tables(metrics, n, m):
    tables = 2000
    bound = 0.02 + 3 * math.sqrt(0.02 * 0.98 / tables)
    assert simulate(tables, metrics, n, m, 0.05).any(-1).mean() <= bound
    # Heavy tails make it rarer where both sides' spreads are known.
    if m > 1:
        assert simulate(tables, metrics, n, m, 0.05, dof=5).any(-1).mean() <= bound


def test_sides_that_spread_differently_need_the_same_number_of_seeds():
    assert simulate(2000, 60, 3, 3, 0.05, ratio=3.0).any(-1).mean() < 0.05
    assert simulate(2000, 60, 10, 3, 0.05, ratio=3.0).any(-1).mean() == pytest.approx(0.2, abs=0.05)


def test_welch_alone_would_alarm_too_often_where_the_numbers_of_seeds_differ():
    rng = np.random.default_rng(0)
    old, new = rng.standard_normal((2000, 60, 10)), rng.standard_normal((2000, 60, 3))
    p = stats.ttest_ind(old, new, axis=-1, equal_var=False).pvalue
    assert (p.min(-1) <= 0.02 / 60).mean() > 0.05


def test_power_and_that_the_visible_change_is_what_half_of_tables_show():
    found = {
        (n, shift): simulate(2000, 60, n, n, 0.01, shift)[:, 0].mean()
        for n, shift in ((10, 0.05), (3, 0.05), (3, 0.3))
    }
    assert found[10, 0.05] > 0.95
    # What three seeds a side cannot do among 60 numbers, and what they can.
    assert found[3, 0.05] < 0.1 and found[3, 0.3] > 0.8
    visible = visible_difference((0.01, 10), (0.01, 10), tests=60, alpha=0.02)
    half = simulate(4000, 60, 10, 10, 0.01, visible)[:, 0].mean()
    assert 0.3 < half < 0.6
