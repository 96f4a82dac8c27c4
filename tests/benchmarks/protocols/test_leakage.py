"""The leak protocol: what linear probes read, on whom, and the chance of each number."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.metrics import METRICS
from benchmarks.protocols import leakage
from benchmarks.protocols.clip_codes import Collected
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.leakage import asked, discriminant, evaluate, score
from lightning_modules.interface import Method
from tests.benchmarks.protocols import fake_clips as fake


def run(method, data=None):
    return evaluate(method, data or fake.Clips(), device=torch.device("cpu"), seed=0)


def faces(people=20, sessions=2, seed=0):
    """Codes of pictures: *where* tells view and a little of who, *what* who and the light."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(
        np.arange(people), range(sessions), (-30, -15, 0, 15, 30), range(3), indexing="ij"
    )
    identity, session, view, light = (part.ravel() for part in grid)
    looks, shapes = rng.normal(size=(2, people, 6))
    where = rng.normal(size=(len(view), 6)) + 0.4 * shapes[identity]
    where[:, 0] += view / 10
    what = 0.5 * rng.normal(size=(len(view), 6)) + looks[identity]
    what[:, 1] += 3 * light
    codes = {name: torch.from_numpy(code) for name, code in (("where", where), ("what", what))}
    labels = {"identity": identity, "session": session, "illumination": light}
    return Collected(codes, labels | {"view": view.astype(np.float32)})


GOLDEN = {
    "leak_chance_identity": 5.000000,
    "leak_where_identity": 18.500000,
    "leak_what_identity": 80.166667,
    "leak_chance_view": 0.000000,
    "leak_where_view": 80.461583,
    "leak_what_view": 0.009977,
    "leak_chance_illumination": 33.333333,
    "leak_where_illumination": 32.000000,
    "leak_what_illumination": 81.500000,
}


@pytest.fixture(scope="module")
def scored():
    return score(faces())


def test_version_one_gives_these_numbers(scored):
    assert leakage.VERSION == 1 and set(scored.metrics) == set(GOLDEN) <= set(METRICS)
    for metric, value in GOLDEN.items():
        assert scored.metrics[metric] == pytest.approx(value, rel=1e-5, abs=1e-5), metric
        if "chance" not in metric:
            low, high = scored.intervals[metric]
            assert low <= value <= high


def test_each_code_tells_what_was_put_into_it(scored):
    found = scored.metrics
    # The view's variance is 4.5, that of noise and looks in its number 1.16.
    assert found["leak_where_view"] == pytest.approx(79.5, abs=2)
    assert found["leak_what_view"] < 5
    assert found["leak_what_identity"] > 70 > 40 > found["leak_where_identity"]
    assert found["leak_what_illumination"] > 75 > 45 > found["leak_where_illumination"]
    assert found["leak_chance_identity"] == 5 and found["leak_chance_view"] == 0


def test_persons_are_not_shared_unless_they_are_asked_for():
    labels = faces().labels
    for target in ("view", "illumination"):
        group = asked(target, labels)
        for number in range(5):
            scored = group.fold == number
            assert not set(group.person[scored]) & set(group.person[~scored])


def test_an_identity_is_told_from_other_recordings_of_the_same_persons():
    labels = faces().labels
    group = asked("identity", labels)
    for number in np.unique(group.fold):
        scored = group.fold == number
        assert set(group.person[scored]) <= set(group.person[~scored])
        rows = group.rows
        recorded = list(zip(labels["identity"][rows], labels["session"][rows], strict=True))
        here = {pair for pair, is_in in zip(recorded, scored, strict=True) if is_in}
        there = {pair for pair, is_in in zip(recorded, scored, strict=True) if not is_in}
        assert not here & there
    # A code that names the recording tells nothing of who is on another one.
    named = np.eye(40)[2 * labels["identity"] + labels["session"]]
    metrics = score(Collected({"where": torch.from_numpy(named)}, labels)).metrics
    assert metrics["leak_where_identity"] <= 10


def test_who_has_one_recording_is_left_out_and_unknown_labels_too():
    labels = {
        "identity": np.array([1, 1, 2, 2, 3]),
        "sequence": np.array([10, 11, 20, 21, 30]),
        "expression": np.array([0, -1, 1, 0, -1]),
    }
    assert asked("identity", labels).rows.tolist() == [0, 1, 2, 3]
    assert asked("identity", labels).fold.tolist() == [0, 1, 0, 1]
    assert asked("expression", labels).rows.tolist() == [0, 2, 3]
    assert asked("view", labels) is None
    labels["expression"] = np.zeros(5, int)
    assert asked("expression", labels) is None


def test_the_discriminant_is_scikit_learns_where_there_are_many_samples():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 3000)
    code = rng.normal(size=(3000, 4)) @ rng.normal(size=(4, 4)) + label[:, None] * [0.5, 0, -0.5, 0]
    wanted = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(code, label)
    same = discriminant(code, label, code) == wanted.predict(code)
    assert same.mean() > 0.99


def test_constant_codes_are_at_chance():
    found = faces()
    constant = {"where": torch.ones(len(found.labels["view"]), 3)}
    metrics = score(Collected(constant, found.labels)).metrics
    assert metrics["leak_where_illumination"] == pytest.approx(100 / 3)
    assert metrics["leak_where_identity"] == pytest.approx(5)
    assert metrics["leak_where_view"] == pytest.approx(0, abs=3)


def test_clips_are_read_by_their_mean_over_time():
    data = fake.Clips()
    result = run(fake.Knows(), data)
    assert data.read == ["test"] and data.unit == "pictures"
    assert result.metrics["leak_chance_expression"] == pytest.approx(100 / 7)
    assert result.metrics["leak_what_identity"] == 100
    assert result.metrics["leak_where_expression"] > 60 > result.metrics["leak_what_expression"]
    value, predicted = result.arrays["predicted_leak_where_expression"]
    right = [(predicted == value)[value == k].mean() for k in range(7)]
    assert 100 * np.mean(right) == pytest.approx(result.metrics["leak_where_expression"])


def test_the_view_of_a_clip_is_the_mean_of_its_frames():
    data = fake.Clips()

    class Turns(fake.Knows):
        """Its *where* is the view it was told, and its *what* the same shuffled."""

        def encode_clip(self, clip):
            codes = super().encode_clip(clip)
            view = clip[:, :, 2, 0, :1]
            return codes._replace(where=view, what=view.flip(0))

    for found in data.sets.values():
        noise = found.clips[:, :, 2, 0, 0].float()
        found.labels["view"] = 30 * noise / 255  # one a frame
    metrics = run(Turns(), data).metrics
    assert metrics["leak_where_view"] > 99 > 20 > metrics["leak_what_view"]
    assert metrics["leak_chance_view"] == 0


def test_pictures_are_read_one_by_one_and_no_field_is_inferred():
    class Costly(fake.OnPictures):
        def deformation(self, image):
            raise AssertionError

    result = run(Costly(), fake.Pictures())
    assert result.arrays["predicted_leak_where_identity"].shape == (2, 42 * fake.FRAMES)
    assert result.metrics["leak_what_identity"] == 100


def test_an_entangled_code_is_asked_once():
    result = run(fake.Entangled())
    assert result.metrics["leak_where_identity"] == result.metrics["leak_what_identity"] == 100
    assert not any("leak_what" in key for key in result.arrays)


def test_who_cannot_be_asked():
    with pytest.raises(NotApplicableError, match="Method has no codes"):
        run(Method())
    with pytest.raises(NotApplicableError, match="Knows needs clips, the data has pictures"):
        run(fake.Knows(), fake.Pictures())
    nothing = Collected({"where": torch.ones(4, 2)}, {"index": np.arange(4)})
    with pytest.raises(NotApplicableError, match="no label of identity, expression, view"):
        score(nothing)
