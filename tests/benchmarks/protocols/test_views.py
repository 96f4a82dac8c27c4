"""The view protocol: eq. 21 by hand, what each number sees, and who cannot be scored."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.metrics import METRICS
from benchmarks.protocols import views
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.views import VIEWS, Encoded, covariance, explained, mean_by_view, score
from lightning_modules.interface import Method


def codes(seed=0, people=20):
    """Of the where code, dimension 2 turns with the view; of the what code, nothing does."""
    rng = np.random.default_rng(seed)
    view = np.tile(np.array(VIEWS, dtype=float), people)
    identity = np.repeat(np.arange(people), 5)
    where, what = rng.normal(size=(2, 5 * people, 6))
    where[:, 2] = -view / 15 + 0.1 * where[:, 2] + 7
    return Encoded(where, what + rng.normal(size=(people, 6))[identity], view, identity)


def test_version_one_is_equation_21():
    assert views.VERSION == 1
    found = codes()
    by_hand = []
    for dimension in range(6):
        means = [found.where[found.view == v, dimension].mean() for v in VIEWS]
        total = sum(m * v for m, v in zip(means, VIEWS, strict=True))
        by_hand.append(abs(total) / (30**2 + 15**2 + 15**2 + 30**2) ** 0.5)
    strength = covariance(mean_by_view(found.where, found.view))
    assert strength == pytest.approx(by_hand)
    # -v / 15 against v / |v|: |v|^2 / 15 / |v| = |v| / 15 = sqrt(2250) / 15.
    assert strength[2] == pytest.approx(2250**0.5 / 15, rel=0.02)
    assert strength.argmax() == 2


GOLDEN = {
    "view_where_max": 3.110740,
    "view_where_r2": 0.9962688,
    "view_what_max": 0.3405900,
    "view_what_r2": -0.000554620,
    "view_ratio": 9.133385,
}


def test_version_one_gives_these_numbers_of_committed_codes():
    path = Path(__file__).parents[1] / "goldens" / "predictions" / "views.npz"
    with np.load(path, allow_pickle=False) as kept:
        found = Encoded(*(kept[name].astype(float) for name in Encoded._fields))
    assert score(found).metrics == pytest.approx(GOLDEN, rel=1e-5, abs=1e-7)


def test_the_numbers_tell_where_from_what():
    result = score(codes())
    assert set(result.metrics) <= set(METRICS)
    assert result.metrics["view_ratio"] == pytest.approx(
        result.metrics["view_where_max"] / result.metrics["view_what_max"]
    )
    assert result.metrics["view_ratio"] > 4
    assert result.metrics["view_where_r2"] > 0.95 and result.metrics["view_what_r2"] < 0.1
    assert result.arrays["where_means"].shape == (5, 6)


def test_an_entangled_code_has_a_ratio_of_one():
    found = codes()
    metrics = score(found._replace(what=found.where)).metrics
    assert metrics["view_ratio"] == 1 and metrics["view_what_r2"] == metrics["view_where_r2"]


def test_the_regression_sees_what_is_spread_over_dimensions():
    found = codes()
    mixing = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    spread = found.where @ mixing
    assert covariance(mean_by_view(spread, found.view)).max() < 2.9
    assert explained(spread, found.view, found.identity) > 0.95


def test_persons_are_not_shared_between_fitting_and_asking():
    """A code that names the person and the view's sign per person cannot be read on others."""
    rng = np.random.default_rng(0)
    view = np.tile(np.array(VIEWS, dtype=float), 30)
    identity = np.repeat(np.arange(30), 5)
    code = np.eye(30)[identity] * (view * rng.choice([-1, 1], 30)[identity])[:, None]
    assert explained(code, view, identity) < 0.1


def test_a_missing_view_is_named():
    found = codes()
    keep = found.view != -15
    with pytest.raises(ValueError, match=r"view of \[-15\] degrees"):
        mean_by_view(found.where[keep], found.view[keep])


def test_who_has_no_codes_is_not_scored():
    with pytest.raises(NotApplicableError, match="Method has no codes"):
        views.evaluate(Method(), None, device=torch.device("cpu"), seed=0)
