import numpy as np
import torch
from sklearn.linear_model import Ridge

from datamodules.standins.face_affect import affect_factors, affect_path, face_at
from datamodules.standins.face_expressions import ACTIONS
from datamodules.standins.faces import render_faces

SEED = 5
PEOPLE = range(60)


def test_paths_are_smooth_and_fill_the_plane():
    paths = [affect_path(place, 200, SEED) for place in range(150)]
    every = np.concatenate(paths)
    assert every.shape == (30_000, 2) and np.abs(every).max() < 1
    steps = np.concatenate([np.diff(path, axis=0) for path in paths])
    turns = np.concatenate([np.diff(path, 2, axis=0) for path in paths])
    assert np.abs(steps).max() < 0.15 and np.abs(turns).max() < 0.02
    assert np.abs(every.mean(axis=0)).max() < 0.12
    for axis in every.T:
        assert 0.5 < axis.std() < 0.7
        assert np.quantile(axis, 0.05) < -0.8 and np.quantile(axis, 0.95) > 0.8
    assert abs(np.corrcoef(every.T)[0, 1]) < 0.15
    within = np.mean([path.std(axis=0) for path in paths], axis=0)
    assert (within > 0.25).all()  # videos are no stills
    assert np.array_equal(affect_path(3, 200, SEED), paths[3])
    np.testing.assert_allclose(affect_path(3, 50, SEED), paths[3][:50])


def at(valence, arousal, who=3, place=3, frames=200):
    path = np.tile([float(valence), float(arousal)], (frames, 1))
    return dict(zip(ACTIONS, np.median(face_at(who, place, path, SEED), axis=0), strict=True))


def test_the_face_goes_with_the_path():
    happy, sad, stirred, calm = (at(*point) for point in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    assert happy["smile"] > 0.6 > 0.2 > sad["smile"]
    assert sad["frown"] > 0.6 > 0.2 > happy["frown"]
    assert stirred["eye_wide"] > 0.6 and stirred["mouth_open"] > 0.4
    assert calm["eye_close"] > 0.4 > 0.15 > stirred["eye_close"]
    manners = np.array([at(1, 0, who)["smile"] for who in PEOPLE])
    assert 0.6 < manners.min() < np.quantile(manners, 0.8) < 1 and manners.std() > 0.05


def test_arousal_moves_the_head():
    still, stirred = (
        affect_factors(3, 3, np.tile([0.0, arousal], (300, 1)), SEED) for arousal in (-1.0, 1.0)
    )
    for angle in ("yaw", "pitch", "roll"):
        quick = [float(getattr(each, angle).diff().abs().mean()) for each in (still, stirred)]
        assert quick[1] > 1.3 * quick[0]
    for steady in ("traits", "scene", "light", "light_colour", "ambient"):
        assert getattr(stirred, steady).std(dim=0, correction=0).max() < 1e-6


def agreement(features, points, groups):
    """Correlation of valence and arousal with a line of best fit, on other people."""
    test = groups % 3 == 0
    scale = features[~test].std(axis=0) + 1e-3
    scaled = (features - features[~test].mean(axis=0)) / scale
    model = Ridge(alpha=features.shape[1]).fit(scaled[~test], points[~test])
    guess = model.predict(scaled[test])
    return [float(np.corrcoef(guess[:, k], points[test][:, k])[0, 1]) for k in range(2)]


def test_nothing_but_the_face_tells():
    rest, points = [], []
    for who in range(400):
        path = affect_path(who, 1, SEED)
        factors = affect_factors(who, who, path, SEED)
        angles = torch.stack([factors.yaw, factors.pitch, factors.roll, factors.ambient], 1)
        other = [angles, factors.light, factors.shift, factors.gaze, factors.traits]
        rest.append(torch.cat(other, 1).numpy())
        points.append(path)
    found = agreement(np.concatenate(rest), np.concatenate(points), np.arange(400))
    assert np.abs(found).max() < 0.26  # by chance 0.09


def test_the_same_change_is_seen_on_everybody():
    points = 2 * torch.rand(45, 6, 2, generator=torch.Generator().manual_seed(0)).double() - 1
    points[:, 0] = 0
    changes = []
    for who, own in enumerate(points.numpy()):
        # One moment of the person's video, with a face for each point.
        factors = affect_factors(who, who, np.repeat(own[:1], 9, axis=0), SEED)
        moment = factors[torch.full((6,), 8)]
        acted = [face_at(who, who, np.repeat(point[None], 9, axis=0), SEED)[8] for point in own]
        ahead = dict.fromkeys(("yaw", "pitch", "roll"), 0.0) | {"shift": [0.0, -0.2], "scale": 1.2}
        moment = moment.replace(**ahead, actions=torch.from_numpy(np.stack(acted)).float())
        pictures = render_faces(moment, 40).flatten(1).numpy()
        changes.append(pictures[1:] - pictures[:1])
    found = agreement(
        np.concatenate(changes), points[:, 1:].flatten(0, 1).numpy(), np.arange(225) // 5
    )
    assert min(found) > 0.7
