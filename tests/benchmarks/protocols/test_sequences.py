"""The protocol of clips: what is swapped, what leaks, what is left out, and its numbers, pinned."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import METRICS
from benchmarks.protocols import frame_judge, sequences
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.orders import score_order
from benchmarks.protocols.sequence_codes import gather, painter
from benchmarks.protocols.sequences import evaluate
from lightning_modules.interface import Codes, Method
from tests.benchmarks.protocols import fake_sequences as fake

CPU = torch.device("cpu")


def run(method, kind="sprites"):
    return evaluate(method, fake.Figures(kind), device=CPU, seed=0)


@pytest.fixture(scope="module")
def brief():
    """Two batches of figures are told after as many passes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_judge, "PASSES", 30)
        yield


@pytest.fixture(scope="module")
def knows(brief):
    return run(fake.Knows())


@pytest.fixture(scope="module")
def hides(brief):
    return run(fake.Hides())


GOLDEN = {
    "rec_frame": -10,
    "kl_where_frame": 2,
    "kl_what_frame": 1,
    "bound_frame": -13,
    "bits_dim": 13 / np.log(2) / 192,
    "order_change": 0,
    "order_other": 116.774842,
    "probe_chance_attributes": 50,
    "probe_chance_pose": 100 / 6,
    "probe_where_attributes": 40,
    "probe_what_attributes": 100,
    "probe_where_pose": 100,
    "probe_what_pose": 100 / 6,
    "near_where_pose": 100,
    "near_what_pose": 100 / 6,
    "swap_chance_what": 23.4375,
    "swap_chance_where": 14.583333,
}
JUDGED = {f"{kind}_{side}" for kind in ("judge", "rebuilt", "swap") for side in ("what", "where")}


def test_version_one_gives_these_numbers(knows):
    assert sequences.VERSION == 1
    others = {
        "bits_floor",
        "sample_diversity",
        "sample_what",
        "grid_agreement",
        "grid_chance",
        "grid_kappa",
    }
    both = {"judge_both", "rebuilt_both", "swap_both"}
    assert set(knows.metrics) == set(GOLDEN) | JUDGED | both | others
    assert set(knows.metrics) <= set(METRICS)
    for metric, value in GOLDEN.items():
        assert knows.metrics[metric] == pytest.approx(value, rel=1e-5, abs=1e-5), metric
    # Of a trained network.
    for metric in JUDGED:
        assert knows.metrics[metric] > 95, metric
    assert set(knows.intervals) == set(knows.metrics)
    for metric, (low, high) in knows.intervals.items():
        assert low - 1e-9 <= knows.metrics[metric] <= high + 1e-9, metric


def test_where_that_holds_everything_paints_the_other_clip(knows, hides):
    assert hides.metrics["rebuilt_both"] > 95 and hides.metrics["swap_where"] > 95
    assert hides.metrics["swap_what"] == pytest.approx(hides.metrics["swap_chance_what"], abs=3)
    assert hides.metrics["swap_both"] < 20 < 90 < knows.metrics["swap_both"]
    # The leak says so, too, and *what* looks as innocent as before.
    assert hides.metrics["probe_where_attributes"] == 100
    assert hides.metrics["probe_what_attributes"] == 100


def test_what_is_drawn_of_one_pose_lacks_diversity(knows, hides):
    assert knows.metrics["sample_diversity"] == pytest.approx(100, abs=6)
    assert hides.metrics["sample_diversity"] == pytest.approx(100 / 6, abs=4)
    assert knows.metrics["sample_what"] > 95


def test_a_grid_means_the_same_to_everybody(knows):
    assert knows.metrics["grid_agreement"] > 85 > 40 > knows.metrics["grid_chance"]
    agreed, chance = (knows.metrics[f"grid_{k}"] / 100 for k in ("agreement", "chance"))
    assert knows.metrics["grid_kappa"] == pytest.approx(100 * (agreed - chance) / (1 - chance))
    assert knows.arrays["grid_where"].shape == (49, 2)
    # The first dimension goes fastest.
    assert knows.arrays["grid_where"][1, 1] == knows.arrays["grid_where"][0, 1]
    assert knows.arrays["grid_where"][1, 0] > knows.arrays["grid_where"][0, 0]
    assert knows.arrays["grid_frames"].shape == (4, 49, 8, 8, 3)


def test_pictures_of_swaps_have_the_colour_of_one_clip_and_the_place_of_the_other(knows):
    what, where, painted = (knows.arrays[f"swap_{k}"] for k in ("what", "where", "painted"))
    np.testing.assert_allclose(painted.max((1, 2, 3)), what.max((1, 2)), atol=2)
    lit = [shown.max(-1).max(2).argmax(-1) for shown in (painted, where)]
    np.testing.assert_array_equal(*lit)


def test_order_is_told_by_who_reads_it(knows, brief, monkeypatch):
    assert knows.metrics["order_change"] == 0
    monkeypatch.setattr(sequences, "known", lambda labels: {})
    ordered = run(fake.Ordered()).metrics
    assert ordered["order_change"] > 50
    codes = np.random.default_rng(0).normal(size=(400, 3))
    moved = codes + 0.1 * np.random.default_rng(1).normal(size=codes.shape)
    both = {"in_order": codes, "permuted": moved}
    # A tenth of a deviation against two drawn ones: 0.1 over the root of two.
    shares = score_order(both, np.arange(400)).metrics
    assert shares["order_change"] == pytest.approx(100 * 0.1 / 2**0.5, rel=0.05)
    assert shares["order_other"] == pytest.approx(100, rel=0.05)
    constant = dict.fromkeys(both, np.ones((4, 2)))
    assert score_order(constant, np.arange(4)).metrics == {}


def test_two_digits_of_a_class_are_left_out_and_places_are_told(brief):
    found = run(fake.Knows(), "digits").metrics
    assert found["probe_what_digits"] == 100 > 80 > found["probe_where_digits"]
    assert found["probe_chance_digits"] == pytest.approx(100 * 2 / 5)
    assert found["probe_where_positions"] == pytest.approx(100, abs=0.1)
    assert found["probe_where_centre"] == pytest.approx(100, abs=0.1)
    assert found["probe_what_centre"] == pytest.approx(0, abs=1)
    assert found["swap_what"] > 90 and found["swap_where"] > 90
    test = gather(fake.Knows(), in_clips("digits"), "test", CPU)
    kept = sequences.distinct(test.labels)
    assert kept.sum() == 14 and len(test.only(kept).frames) == 14


def test_faces_are_read_by_concordance_and_persons_from_other_sequences(brief):
    found = run(fake.Knows(), "faces").metrics
    for name in ("valence", "arousal"):
        assert found[f"probe_where_{name}"] == pytest.approx(1, abs=1e-3)
        assert found[f"probe_what_{name}"] == pytest.approx(0, abs=1e-6)
        assert found[f"judge_{name}"] > 0.95 and found[f"swap_{name}"] > 0.95
    assert found["probe_chance_identity"] == 12.5
    # Two persons have each look.
    assert found["probe_what_identity"] == 50 > found["probe_where_identity"]
    assert "swap_what" not in found and "swap_both" not in found


def test_without_labels_bound_and_order_are_left():
    data = fake.Figures("plain")
    found = evaluate(fake.Knows(), data, device=CPU, seed=0)
    assert {name for name in found.metrics if not name.startswith("order")} == {
        "bound_frame",
        "bits_dim",
        "bits_floor",
        *("rec_frame", "kl_where_frame", "kl_what_frame"),
    }
    assert data.read == ["test"] and data.unit == "pictures"
    with pytest.raises(NotApplicableError, match="OnFrames bounds and paints nothing"):
        run(fake.OnFrames(), "plain")


def test_an_entangled_code_is_probed_under_both_names_and_never_swapped():
    found = run(fake.OnFrames()).metrics
    assert found["probe_where_pose"] == found["probe_what_pose"] == 100
    assert found["near_where_pose"] == found["near_what_pose"]
    assert not any(name.startswith(("swap", "grid", "order", "judge")) for name in found)


def test_the_floor_is_the_entropy_of_the_pixels(knows):
    pixels = fake.Figures().sets["test"].__getitems__(list(range(16)))["clip"].numpy() / 255
    inside = pixels[(pixels > 0) & (pixels < 1)]
    entropy = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)).sum()
    assert knows.metrics["bits_floor"] == pytest.approx(entropy / pixels.size, rel=1e-4)


def test_so_many_clips_are_taken_evenly():
    found = gather(fake.Knows(), in_clips(), "train", CPU, most=5 * fake.POSES)
    assert found.labels["identity"].tolist() == [0, 8, 16, 23, 31]
    assert found.frames.shape == (5, 6, 3, 32, 32) and found.frames.dtype == torch.uint8
    assert len(gather(fake.Knows(), in_clips(), "test", CPU, most=1).frames) == 1


def test_who_has_no_codes_and_broken_ones():
    with pytest.raises(NotApplicableError, match="Method has no codes"):
        run(Method())

    class Lost(fake.Knows):
        def encode_clip(self, clip):
            codes = super().encode_clip(clip)
            return Codes(codes.where / 0, codes.what)

    with pytest.raises(ValueError, match="Lost gave non-finite 'where' for 16 of 16 clips"):
        run(Lost())

    class Blind(fake.Knows):
        def decode_clip(self, codes):
            return super().decode_clip(codes) * float("nan")

    paint = painter(Blind())
    with pytest.raises(ValueError, match="Blind paints clips that are not finite"):
        paint(torch.zeros(2, 3, 2), torch.zeros(2, 3, 3))


def test_pictures_are_painted_frame_by_frame():
    class OfPictures(Method):
        def decode(self, codes):
            return codes.what[:, :, None, None] + codes.where[:, :1, None, None]

        def prior_mean(self):
            return Codes(torch.zeros(1, 2), torch.zeros(1, 3))

    where, what = torch.rand(2, 4, 2), torch.rand(2, 4, 3)
    made = painter(OfPictures())(where, what)
    wanted = (what + where[..., :1]).clamp(0, 1)
    torch.testing.assert_close(made[..., 0, 0], wanted)
    assert painter(Method()) is None


def in_clips(kind="sprites"):
    data = fake.Figures(kind)
    data.hand_out("clips")
    return data


def test_what_always_looks_alike_agrees_on_nothing(brief):
    class Still(fake.Knows):
        def decode_clip(self, codes):
            frames = fake.painted(torch.ones(codes.where[..., 0].numel(), 3), torch.zeros(1))
            return frames.view(*codes.where.shape[:2], *frames.shape[1:])

    found = run(Still()).metrics
    assert found["grid_agreement"] == found["grid_chance"] == 100 and found["grid_kappa"] == 0
    assert found["swap_where"] < 30 and found["sample_diversity"] < 30
