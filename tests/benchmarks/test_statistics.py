import numpy as np
import pytest
from scipy import stats

from benchmarks.statistics import against_one, holm, paired, prediction_p, visible_shift, welch

LEFT = [5.1, 5.4, 4.9, 5.3]
RIGHT = [5.6, 5.5, 5.4, 5.9]


def test_paired_is_students_paired_test():
    found = paired(LEFT, RIGHT)
    expected = stats.ttest_rel(LEFT, RIGHT)
    assert found.mean / found.standard_error == pytest.approx(expected.statistic)
    low, high = expected.confidence_interval(0.90)
    assert found.interval(0.95) == pytest.approx((low, high))


def test_welch_is_scipys():
    found = welch(LEFT, [*RIGHT, 6.4])
    expected = stats.ttest_ind(LEFT, [*RIGHT, 6.4], equal_var=False)
    assert found.mean / found.standard_error == pytest.approx(expected.statistic)
    assert found.dof == pytest.approx(expected.df)


def test_welch_without_any_spread_is_exact():
    assert welch([1.0, 1.0], [2.0, 2.0]).interval() == (-1.0, -1.0)


def test_against_a_constant_is_the_one_sample_test():
    found = against_one(LEFT, 5.0, exact=True)
    expected = stats.ttest_1samp(LEFT, 5.0)
    assert found.mean / found.standard_error == pytest.approx(expected.statistic)


def test_against_one_noisy_value_is_less_sure():
    exact, noisy = (against_one(LEFT, 5.0, exact=flag) for flag in (True, False))
    assert noisy.standard_error == pytest.approx(exact.standard_error * np.sqrt(5))


@pytest.mark.parametrize("few", [[1.0], []])
def test_too_few_values(few):
    with pytest.raises(ValueError, match="two"):
        paired(few, few)
    with pytest.raises(ValueError, match="two"):
        welch(few, LEFT)
    with pytest.raises(ValueError, match="two"):
        against_one(few, 1.0, exact=True)


def test_prediction_bound_is_calibrated():
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(40_000, 6)), rng.normal(size=(40_000, 3))
    p = prediction_p(new.mean(1) - old.mean(1), old.std(1, ddof=1), 6, 3)
    for level in (0.5, 0.05, 0.001):
        assert (p <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level / 40_000))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([[0.5, 0.9], [0.9, 0.001]]) == pytest.approx(np.array([[1.0, 1.0], [0.9, 0.002]]))


def test_visible_shift_needs_two_seeds_and_never_falls_below_the_tolerance():
    assert visible_shift(0.1, 1, 3, tests=10, alpha=0.02, tolerance=0.5) == np.inf
    assert visible_shift(0.0, 10, 3, tests=10, alpha=0.02, tolerance=0.5) == 0.5
    quantile = stats.t.isf(0.002, 9)
    expected = quantile * np.sqrt(1 / 10 + 1 / 3)
    assert visible_shift(1.0, 10, 3, tests=10, alpha=0.02, tolerance=0.5) == pytest.approx(expected)
