"""How often the gate is wrong, and what it sees: simulated."""

import math

import numpy as np
import pytest

from benchmarks import gate
from benchmarks.baselines import MetricBaseline
from benchmarks.summaries import Sample


def simulate(tables, metrics, n, m, noise, shift=0.0, seed=0, dof=math.inf, shared=0.0):
    """Which metrics fail in simulated tables; ``shift`` makes the first one worse.

    ``dof`` gives the noise heavier tails, ``shared`` is the part that all metrics of a seed share.
    """
    rng = np.random.default_rng(seed)

    def draw(count):
        def noisy(size):
            if math.isinf(dof):
                return rng.standard_normal(size)
            return rng.standard_t(dof, size) / math.sqrt(dof / (dof - 2))

        own, common = noisy((tables, metrics, count)), noisy((tables, 1, count))
        return 1 + noise * (math.sqrt(1 - shared) * own + math.sqrt(shared) * common)

    old, new = draw(n), draw(m)
    new[:, 0] += shift
    mean = old.mean(-1)
    tolerance = 0.02 * np.abs(mean)
    std = gate.effective_std(old.std(-1, ddof=1), mean, tolerance)
    failed, _ = gate.worse_beyond_noise(
        new.mean(-1) - mean, std, np.array(n), np.array(m), tolerance
    )
    return failed


@pytest.mark.parametrize("metrics", [1, 28, 60])
@pytest.mark.parametrize(("n", "m"), [(10, 3), (10, 1), (5, 3), (2, 1)])
@pytest.mark.parametrize("noise", [0.01, 0.05, 0.5])
def test_false_alarms_stay_below_two_percent_of_tables(metrics, n, m, noise):
    tables = 4000
    rate = simulate(tables, metrics, n, m, noise).any(-1).mean()
    # Three standard errors of the simulation itself.
    assert rate <= 0.02 + 3 * math.sqrt(0.02 * 0.98 / tables)


def test_false_alarms_of_many_tables_at_the_noise_that_is_worst():
    rate = simulate(20_000, 60, 10, 3, 0.05).any(-1).mean()
    assert 0.015 < rate <= 0.02 + 3 * math.sqrt(0.02 * 0.98 / 20_000)


def test_what_costs_false_alarms_and_what_does_not():
    """Heavy tails do, as `benchmarks.gate` says; metrics that go together make them rarer."""
    assert 0.04 < simulate(4000, 60, 10, 3, 0.05, dof=5).any(-1).mean() < 0.10
    assert simulate(4000, 60, 10, 3, 0.05, shared=0.8).any(-1).mean() < 0.02


def test_power():
    found = {
        (n, m, noise, shift): simulate(2000, 60, n, m, noise, shift)[:, 0].mean()
        for n, m, noise, shift in ((10, 3, 0.01, 0.05), (10, 3, 0.05, 0.05), (5, 3, 0.01, 0.05))
    }
    assert found[10, 3, 0.01, 0.05] > 0.9
    # What the gate cannot do, and says so in its notes: 5 % at noise of 5 %.
    assert found[10, 3, 0.05, 0.05] < 0.1
    # Ten old seeds are worth it.
    assert found[5, 3, 0.01, 0.05] < 0.5


def test_judge_is_the_rule_that_was_simulated():
    rng = np.random.default_rng(3)
    old = rng.normal(5, 0.2, (40, 8))
    new = rng.normal(5.3, 0.2, (40, 3))
    pairs = [
        (
            Sample(f"r{i}", "nme", dict(enumerate(new[i].tolist()))),
            MetricBaseline(
                mean=old[i].mean(), std=old[i].std(ddof=1), n=8, rel_tol=0.02, abs_tol=0.0
            ),
        )
        for i in range(40)
    ]
    mean, std = old.mean(-1), old.std(-1, ddof=1)
    expected, p = gate.worse_beyond_noise(
        new.mean(-1) - mean, std, np.array(8), np.array(3), 0.02 * mean
    )
    found = gate.judge(pairs)
    assert [item.outcome == "regression" for item in found] == expected.tolist()
    assert 0 < expected.sum() < 40
    worse = [i for i, item in enumerate(found) if item.worse_by > 0]
    assert [found[i].p for i in worse] == pytest.approx(p[worse])
