"""The recurrent classifier: folds of persons, what it can read, and what it must not depend on."""

import numpy as np
import pytest
import torch

from benchmarks.protocols import recurrent
from benchmarks.protocols.persons import ratio_interval
from benchmarks.protocols.recurrent import (
    STEPS,
    SequenceClassifier,
    cross_validated,
    fit,
    folds_by_person,
    shortened,
)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(recurrent, "EPOCHS", 12)
    monkeypatch.setattr(recurrent, "BATCH", 16)


def waves(persons=6, seed=0):
    """Three classes by the time at which the one number rises; another number is the person."""
    rng = np.random.default_rng(seed)
    label = np.tile(np.repeat(np.arange(3), 4), persons)
    person = np.repeat(np.arange(persons), 12)
    time = np.arange(6)[None]
    rise = (time >= 2 * label[:, None]) + 0.1 * rng.normal(size=(len(label), 6))
    looks = rng.normal(size=persons)[person][:, None].repeat(6, 1)
    return torch.from_numpy(np.stack([rise, looks], 2)).float(), label, person


def test_nobody_is_on_both_sides_and_everybody_is_scored_once():
    rng = np.random.default_rng(0)
    person = rng.permutation(np.repeat(np.arange(100, 152), 14))
    fold = folds_by_person(person)
    assert np.array_equal(np.unique(fold), np.arange(10))
    for number in range(10):
        assert not set(person[fold == number]) & set(person[fold != number])
    sizes = np.bincount(fold)
    assert sizes.sum() == len(person) and sizes.min() == 5 * 14 and sizes.max() == 6 * 14
    assert len(np.unique(folds_by_person(np.repeat([4, 9, 11], 5)))) == 3
    with pytest.raises(ValueError, match="1 person is too few"):
        folds_by_person(np.zeros(8))


def test_the_fold_of_a_person_depends_on_the_persons_alone():
    person = np.repeat(np.arange(20), 3)
    order = np.random.default_rng(0).permutation(60)
    assert np.array_equal(folds_by_person(person)[order], folds_by_person(person[order]))


def test_sequences_become_means_of_equal_stretches():
    sequences = torch.arange(2 * 30 * 3).view(2, 30, 3).float()
    found = shortened(sequences)
    assert found.shape == (2, STEPS, 3)
    torch.testing.assert_close(found[1, 4], sequences[1, 12:15].mean(0))
    assert shortened(sequences[:, :7]).shape == (2, 7, 3)


def test_order_in_time_is_read_and_a_seed_gives_one_result(short):
    sequences, label, person = waves()
    fold = folds_by_person(person)
    before = torch.random.get_rng_state()
    found = cross_validated(sequences, label, fold, classes=3, seed=0)
    assert (found == label).mean() > 0.9
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(found, cross_validated(sequences, label, fold, classes=3, seed=0))


def test_scored_clips_take_no_part_in_fitting(short):
    """Neither in weights nor in what columns are standardised by."""
    sequences, label, person = waves()
    fold = folds_by_person(person)
    first = fold == 0
    found = cross_validated(sequences, label, fold, classes=3, seed=0)[first]
    wild = sequences.clone()
    wild[np.flatnonzero(first)[1:]] *= 1e4
    other = label.copy()
    other[np.flatnonzero(first)[1:]] = 0
    assert cross_validated(wild, other, fold, classes=3, seed=0)[first][0] == found[0]


def test_units_of_the_code_do_not_matter(short):
    sequences, label, person = waves()
    fold = folds_by_person(person)
    found = cross_validated(sequences, label, fold, classes=3, seed=0)
    other = cross_validated(sequences * 256 + 64, label, fold, classes=3, seed=0)
    assert (found == other).mean() > 0.95


def test_dropout_is_of_half_and_none_when_asked():
    torch.manual_seed(0)
    model = SequenceClassifier(4, 3)
    assert sum(p.numel() for p in model.parameters()) == 512 * (4 + 128 + 2) + 129 * 30 + 31 * 3
    x = torch.randn(5, 6, 4)
    every = model(x, torch.full((5, 128), 0.5))
    torch.testing.assert_close(model(x), every)
    assert not torch.allclose(model(x, torch.zeros(5, 128)), every)


def test_the_first_step_is_pinned(short, monkeypatch):
    """Weights, order, dropout and Adam: one epoch of a small fit, to five digits."""
    monkeypatch.setattr(recurrent, "EPOCHS", 1)
    sequences, label, _ = waves()
    model = fit(sequences, torch.from_numpy(label), 3, seed=0)
    with torch.no_grad():
        logits = model(sequences[:2])
    torch.testing.assert_close(logits, torch.tensor(PINNED), rtol=1e-4, atol=1e-5)


PINNED = [[-0.0627, -0.17415, -0.13648], [-0.06257, -0.17433, -0.13654]]


def test_an_interval_over_persons_is_wider_than_one_over_clips():
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(20), 30)
    right = 100.0 * (rng.random(600) < (0.2 + 0.6 * (np.arange(20) % 2))[person])
    low, high = ratio_interval(right, np.ones(600), person)
    alone_low, alone_high = ratio_interval(right, np.ones(600), np.arange(600))
    assert low < right.mean() < high
    # Two kinds of persons, 30 points either side: 2 x 1.96 x 30 / sqrt(20).
    assert high - low == pytest.approx(26.3, abs=4)
    assert alone_high - alone_low == pytest.approx(2 * 1.96 * 50 / 600**0.5, abs=1)


def test_an_interval_of_several_ratios_is_of_their_mean():
    person = np.arange(8)
    counts = np.ones((8, 2))
    hits = np.array([[1, 0]] * 8)
    assert ratio_interval(hits, counts, person) == (0.5, 0.5)
    # A class that a draw lacks is left out of its mean, not counted as zero.
    rare = np.stack([np.ones(8), np.arange(8) == 0], 1)
    assert ratio_interval(rare, rare, person) == (1.0, 1.0)
