import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score

from datamodules.standins.face_expressions import ACTIONS, EXPRESSIONS
from datamodules.standins.face_takes import acted, course, take_factors

EYES = ACTIONS.index("eye_close")
PLACES = [100_000 + 10 * who + kind for who in range(30) for kind in range(7)]


def test_an_expression_rises_from_rest_and_falls_back():
    for place in PLACES[:40]:
        way = course(place // 10, place, 60, seed=2)
        assert way.shape == (60, len(ACTIONS))
        assert (way[0] == 0).all() and (way[-1] == 0).all()
        assert way.max(axis=0).min() > 0.75 and way.max() <= 1
        mean = way.mean(axis=1)
        up, *_, down = np.flatnonzero(mean > mean.max() / 2)
        assert 3 < up < down - 8 and down < 57
        assert (np.diff(mean[:up]) >= 0).all() and (np.diff(mean[down:]) <= 0).all()


def test_who_acts_decides_what_leads_and_how_much():
    one, again, other = (course(who, 7, 80, seed=2) for who in (3, 3, 4))
    assert np.array_equal(one, again) and not np.allclose(one, other)

    def strengths(who):
        # Of surprise at its apex, over takes of other intensities.
        takes = np.stack([acted(who, 1000 + k, 6, 60, 2) for k in range(12)])
        return np.median(takes.max(axis=1), axis=0)

    both = [strengths(who) for who in (3, 5)]
    assert np.abs(both[0] - both[1])[:2].max() > 0.08


def test_the_neutral_face_only_stirs_and_blinks():
    calm = np.stack([acted(place // 10, place, 0, 60, 2) for place in PLACES])
    others = np.delete(calm, EYES, axis=2)
    assert others.max() < 0.5 and others.mean() < 0.06
    blinks = (calm[:, :, EYES] > 0.8).any(axis=1).mean()
    assert 0.6 < blinks < 0.95


@pytest.fixture(scope="module")
def stills():
    """Actions and all other factors of the first frame, and the actions of the apex."""
    rows = []
    for place in PLACES:
        who, kind = place // 10, place % 10
        factors = take_factors(who, place, kind, 60, seed=2)
        apex = int(course(who, place, 60, 2).mean(axis=1).argmax())
        rest = torch.stack([factors.yaw, factors.pitch, factors.roll, factors.ambient], 1)[0]
        rest = torch.cat([rest, factors.light[0], factors.shift[0], factors.gaze[0]])
        rows.append((factors.actions[0].numpy(), rest.numpy(), factors.actions[apex].numpy()))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def score(features):
    kinds, groups = np.array([p % 10 for p in PLACES]), np.array([p // 10 for p in PLACES])
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    model = LogisticRegression(C=1.0, max_iter=1000)
    return cross_val_score(model, scaled, kinds, groups=groups, cv=GroupKFold(5)).mean()


def test_nothing_but_the_expression_tells_the_class(stills):
    first, rest, apex = stills
    assert score(first) < 0.24  # chance is 0.14, its standard error 0.024
    assert score(rest) < 0.24
    assert score(apex) > 0.95


def test_a_take_is_one_scene_whose_head_moves_slowly():
    factors = take_factors(9, 77, EXPRESSIONS.index("fear"), 60, seed=2)
    assert len(factors) == 60 and set(factors.identity.tolist()) == {9}
    for steady in ("traits", "scene", "light", "light_colour", "ambient"):
        assert getattr(factors, steady).std(dim=0, correction=0).max() < 1e-6
    for angle in ("yaw", "pitch", "roll"):
        values = getattr(factors, angle)
        assert 0.5 < float(values.max() - values.min()) < 15
        assert values.diff().abs().max() < 1.5
    same = take_factors(9, 77, EXPRESSIONS.index("fear"), 60, seed=2)
    assert torch.equal(same.actions, factors.actions) and torch.equal(same.yaw, factors.yaw)
    other = take_factors(9, 78, EXPRESSIONS.index("fear"), 60, seed=2)
    assert torch.equal(other.traits, factors.traits)
    assert not torch.equal(other.light, factors.light)
