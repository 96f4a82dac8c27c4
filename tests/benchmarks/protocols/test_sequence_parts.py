"""Parts of the protocol of clips: scores with known answers, and the judge."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from torchmetrics.functional import concordance_corrcoef

from benchmarks.protocols import frame_judge
from benchmarks.protocols.agreement import concordance, concordance_interval, pooled_recall
from benchmarks.protocols.bounds import score_bound
from benchmarks.protocols.coherence import agreement, grid, variety
from benchmarks.protocols.frame_judge import fit_judge, looked_at
from benchmarks.protocols.sequence_labels import distinct, known, likeliest, members, shared
from benchmarks.protocols.swaps import hits, paired
from lightning_modules.controls.mean_frame import MeanFrame


def test_concordance_is_torchmetrics_and_zero_for_a_constant():
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=500)
    said = 0.7 * wanted + 0.3 + 0.5 * rng.normal(size=500)
    theirs = float(concordance_corrcoef(torch.from_numpy(said), torch.from_numpy(wanted)))
    # It divides by n - 1.
    assert concordance(said, wanted) == pytest.approx(theirs, rel=2e-3)
    low, high = concordance_interval(said, wanted, np.arange(500) // 5)
    assert low < concordance(said, wanted) < high < low + 0.2
    assert concordance(np.ones(500), wanted) == pytest.approx(0, abs=1e-12)
    assert concordance(wanted, wanted) == pytest.approx(1)


def test_recall_of_one_label_is_balanced_accuracy_and_of_several_their_mean():
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, 4, 300) for _ in range(2)]
    answers = [(np.where(rng.random(300) < 0.5, each, 0), each) for each in labels]
    wanted = [100 * balanced_accuracy_score(true, said) for said, true in answers]
    person = np.arange(300) // 10
    value, (low, high) = pooled_recall(answers, person)
    assert value == pytest.approx(np.mean(wanted)) and low < value < high
    assert pooled_recall(answers[:1], person)[0] == pytest.approx(wanted[0])


def test_sets_of_digits():
    digits = np.array([[1, 4], [2, 2], [0, 9]])
    assert distinct({"digits": digits, "index": np.arange(3)}).tolist() == [True, False, True]
    assert distinct({"index": np.arange(2)}).all()
    inside = members(digits, 10)
    assert inside.sum(1).tolist() == [2, 1, 2] and inside[0, 4] == 1
    assert likeliest(inside[[0, 2]], 2).tolist() == [[1, 4], [0, 9]]
    assert shared(digits, np.array([[4, 7], [2, 3], [0, 9]])).tolist() == [0.5, 1, 1]


def test_derived_labels():
    places = np.arange(12, dtype=float).reshape(1, 3, 2, 2)
    found = known({"positions": places, "valence_arousal": np.array([[[0.1, 0.2]]]), "index": 0})
    assert found["positions"].shape == (1, 3, 4)
    assert found["centre"][0, 0].tolist() == [1, 2]
    assert found["valence"].tolist() == [[0.1]] and found["arousal"].tolist() == [[0.2]]
    assert set(found) == {"positions", "centre", "valence", "arousal"}


def test_bound_of_clips_by_hand():
    parts = {
        "reconstruction": np.array([-100.0, -200.0]),
        "kl_where": np.array([10.0, 30.0]),
        "kl_what": np.array([8.0, 12.0]),
        "floor": np.array([50.0, 50.0]),
    }
    found = score_bound(parts, np.arange(2), frames=10, values=20).metrics
    assert found["rec_frame"] == -15 and found["kl_where_frame"] == 2
    assert found["kl_what_frame"] == 1 and found["bound_frame"] == -18
    assert found["bits_dim"] == pytest.approx(18 / 20 / np.log(2))
    assert found["bits_floor"] == pytest.approx(5 / 20 / np.log(2))
    assert score_bound({}, np.arange(2), frames=10, values=20).metrics == {}


def test_variety_of_poses_and_of_numbers():
    said = np.array([0, 1, 2, 3, 5, 5, 5, 5])
    assert variety(said, 4)[:, 0] == pytest.approx([4, 1])
    numbers = np.array([[0.0], [2.0], [1.0], [1.0]])
    assert variety(numbers, 2)[:, 0].tolist() == [1, 0]


def test_agreement_and_its_chance():
    # Three people at four points: all alike, all different, two alike, all alike.
    said = np.array([[0, 0, 1, 2], [0, 1, 1, 2], [0, 2, 3, 2]]).ravel()
    same, chance = agreement(said, 3)
    assert same == pytest.approx([1, 0, 1 / 3, 1])
    assert chance == pytest.approx((16 + 9 + 16 + 1) / 144)
    rng = np.random.default_rng(0)
    point = rng.normal(size=(1, 500, 1))
    numbers = point + rng.normal(size=(40, 500, 1))
    share, chance = agreement(numbers.reshape(-1, 1), 40)
    assert share.mean() == pytest.approx(0.5, abs=0.05) and chance == 1 / 40
    # What hardly moves agrees on little, however well.
    still = agreement(0.1 * numbers.reshape(-1, 1), 40, np.array([2.0]))
    assert still[0].mean() == pytest.approx(0.005, abs=5e-4) and still[1] < 3e-4
    noise = rng.normal(size=(40 * 500, 1))
    assert agreement(noise, 40)[0].mean() == pytest.approx(chance, abs=0.01)


def test_a_grid_lies_within_what_is_seen():
    where = torch.rand(50, 4, 2) * torch.tensor([1.0, 10.0])
    points = grid(where, torch.Generator())
    assert points.shape == (49, 2)
    low, high = points.amin(0), points.amax(0)
    torch.testing.assert_close(low, torch.tensor([0.05, 0.5]), atol=0.5, rtol=0.9)
    assert (where.flatten(0, 1).amin(0) <= low).all() and high[1] > 5 > 1 >= high[0]
    many = torch.rand(50, 4, 3)
    chosen = grid(many, torch.Generator())
    assert (chosen[:, None] == many.flatten(0, 1)).all(2).any(1).all() and len(chosen) == 49


def test_pairs_are_of_different_persons_and_moments_rise():
    person = np.array([1, 1, 1, 2])
    found = paired(person, 50, torch.Generator().manual_seed(0))
    assert (person[found.first] != person[found.second]).all() and len(found.first) == 4
    assert (np.diff(found.moments, axis=1) > 0).all() and found.moments.shape == (4, 32)
    assert not len(paired(np.ones(3), 5, torch.Generator()).first)


def test_hits_ask_for_all_attributes_and_the_place():
    wanted = {"body": np.array([0, 1]), "hair": np.array([2, 2]), "pose": np.array([7, 8])}
    said = wanted | {"hair": np.array([2, 0])}
    found = hits(said, wanted)
    assert found["what"].tolist() == [1, 0.5] and found["where"].tolist() == [1, 1]
    assert found["both"].tolist() == [1, 0]
    places = hits({"centre": np.array([[0.1, 0.1], [0, 0.2]])}, {"centre": np.zeros((2, 2))})
    assert places["where"].tolist() == [0, 0]
    near = hits({"centre": np.array([[0.08, 0.08]])}, {"centre": np.zeros((1, 2))})
    assert near["where"].tolist() == [1] and "both" not in near


def test_a_judge_is_a_function_of_its_seed_and_tells_numbers_on_their_scale(monkeypatch):
    monkeypatch.setattr(frame_judge, "PASSES", 80)
    value = torch.linspace(0, 1, 64)
    clip = value[:, None, None, None, None].expand(-1, 1, 1, 16, 16)
    frames = looked_at(clip).flatten(0, 1)
    assert frames.shape == (64, 3, 32, 32) and frames[-1].min() == 255
    labels = {"valence": 10 + 4 * value.numpy(), "pose": (value.numpy() > 0.5).astype(int)}
    before = torch.random.get_rng_state()
    judges = [fit_judge(frames, labels, device=torch.device("cpu"), seed=k) for k in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    one, two, other = (judge.says(frames) for judge in judges)
    np.testing.assert_array_equal(one["valence"], two["valence"])
    assert not np.array_equal(one["valence"], other["valence"])
    assert np.abs(one["valence"][:, 0] - labels["valence"]).mean() < 0.4
    assert (one["pose"] == labels["pose"]).mean() > 0.9


def test_the_mean_frame_bounds_as_independent_pixels_do():
    method = MeanFrame(image_size=4, image_channels=1)
    with pytest.raises(RuntimeError, match="has seen no frame"):
        method.decode_clip(method.encode_clip(torch.zeros(1, 2, 1, 4, 4)))
    clip = torch.zeros(2, 5, 1, 4, 4)
    clip[0] = 1
    clip[..., 0] = 0
    method.training_step({"clip": clip}, 0)
    assert method.decode_clip(method.encode_clip(clip))[0, 0, 0, 0].tolist() == [0, 0.5, 0.5, 0.5]
    parts = method.clip_bound(clip, torch.Generator())
    # Half of the pixels' columns are a coin; the first is known, up to half a frame's doubt.
    wanted = -5 * 12 * np.log(2) + 5 * 4 * np.log(1 - 0.5 / 11)
    assert parts["reconstruction"].tolist() == pytest.approx([wanted] * 2, rel=1e-5)
    assert parts["kl_where"].tolist() == parts["kl_what"].tolist() == [0, 0]
