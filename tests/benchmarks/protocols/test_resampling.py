"""The judge protocol: what stays when a code is drawn, what goes, and who cannot be judged."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import METRICS
from benchmarks.protocols import judge, resampling
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.judge import SIDE, Judge, fit_judge, looked_at
from benchmarks.protocols.kept import keeping
from benchmarks.protocols.recurrent import STEPS
from benchmarks.protocols.resampling import KINDS, evaluate, painted
from lightning_modules.interface import Codes
from tests.benchmarks.protocols import fake_clips as fake


def run(method, data=None):
    return evaluate(method, data or fake.Clips(), device=torch.device("cpu"), seed=0)


@pytest.fixture(scope="module")
def scored():
    return run(fake.Repaints())


GOLDEN = {
    "judge_acc": 100.00,
    "rebuilt_acc": 100.00,
    "resampled_what_acc": 100.00,
    "resampled_where_acc": 8.33,
}


def test_version_two_gives_these_numbers(scored):
    assert resampling.VERSION == 2 and set(scored.metrics) == set(GOLDEN) == set(KINDS)
    assert set(KINDS) <= set(METRICS)
    for metric, value in GOLDEN.items():
        # A trained network: two of 36 clips.
        assert scored.metrics[metric] == pytest.approx(value, abs=5.6), metric
        low, high = scored.intervals[metric]
        assert low <= scored.metrics[metric] <= high


def test_what_may_be_drawn_anew_and_where_may_not(scored):
    assert scored.metrics["judge_acc"] > 80
    assert scored.metrics["resampled_what_acc"] > scored.metrics["judge_acc"] - 15
    assert scored.metrics["resampled_where_acc"] < 40


def test_confusions_count_every_moving_clip_of_the_test_persons(scored):
    assert scored.arrays["class_names"].tolist() == list(fake.NAMES[1:])
    for metric, value in scored.metrics.items():
        confusion = scored.arrays[f"confusion_{metric}"]
        assert confusion.sum(1).tolist() == [6] * 6
        assert 100 * np.trace(confusion) / 36 == pytest.approx(value)


def test_the_judge_learns_from_other_persons_than_it_is_asked_about(monkeypatch):
    monkeypatch.setattr(judge, "EPOCHS", 1)
    data = fake.Clips()
    run(fake.Repaints(), data)
    assert data.read == ["train", "test"] and data.unit == "pictures"


def test_either_code_is_drawn_and_the_other_kept():
    clip = fake.Clips().sets["test"].clips[:4].float() / 255
    method = fake.Repaints()
    shown = painted(method, clip, torch.Generator().manual_seed(3))
    again = torch.Generator().manual_seed(3)
    what = method.draw_what(4, fake.FRAMES, again)
    where = method.draw_where(4, fake.FRAMES, again)
    codes = method.encode_clip(clip)
    torch.testing.assert_close(shown["judge_acc"], clip)
    for name, wanted in (
        ("rebuilt_acc", codes),
        ("resampled_what_acc", Codes(codes.where, what)),
        ("resampled_where_acc", Codes(where, codes.what)),
    ):
        torch.testing.assert_close(shown[name], method.decode_clip(wanted).clamp(0, 1))
        assert shown[name].min() == 0


def test_frames_are_taken_evenly_and_shrunk():
    clip = torch.rand(2, 28, 3, 64, 64)
    seen = looked_at(clip)
    assert seen.shape == (2, STEPS, 3, SIDE, SIDE)
    torch.testing.assert_close(seen[1, 2, 0, 3, 5], clip[1, 6, 0, 6:8, 10:12].mean())
    torch.testing.assert_close(seen[:, -1], looked_at(clip[:, -1:])[:, 0])
    grey = looked_at(clip[:, :, :1])
    torch.testing.assert_close(grey[:, :, 0], grey[:, :, 2])


def test_a_judge_is_a_function_of_its_seed_and_leaves_torchs_generator_alone(monkeypatch):
    monkeypatch.setattr(judge, "EPOCHS", 1)
    clip, label = torch.rand(8, STEPS, 3, SIDE, SIDE), torch.arange(8) % 6
    before = torch.random.get_rng_state()
    one, two, other = (fit_judge(clip, label, 6, seed=seed) for seed in (0, 0, 1))
    with torch.no_grad():
        assert torch.equal(one(clip), two(clip)) and not torch.equal(one(clip), other(clip))
        torch.testing.assert_close(one(clip).argmax(1), one.verdict(clip))
    assert torch.equal(torch.random.get_rng_state(), before)


def faint(count, seed):
    """Loud pictures of nobody twice, in which a faint stripe goes down, up, or aside."""
    generator = torch.Generator().manual_seed(seed)
    looks = torch.rand(count, 1, 3, SIDE, SIDE, generator=generator)
    label = torch.arange(count) % 3
    clips = looks.repeat(1, STEPS, 1, 1, 1)
    for clip, k in zip(clips, label.tolist(), strict=True):
        for step in range(STEPS):
            at = 2 * (STEPS - step if k == 1 else step) + 6
            stripe = (slice(None), slice(at, at + 2)) if k < 2 else (..., slice(at, at + 2))
            clip[step][stripe] += 0.05
    return clips, label


@pytest.mark.parametrize("seed", [0, 1])
def test_faint_motion_is_learned_beside_loud_looks_from_any_seed(monkeypatch, seed):
    monkeypatch.setattr(judge, "EPOCHS", 30)
    judged = fit_judge(*faint(96, 0), 3, seed=seed)
    clips, label = faint(48, 1)
    assert (judged.verdict(clips) == label).float().mean() > 0.8


def test_clips_in_which_nothing_moves_are_no_division_by_zero():
    still = torch.rand(2, 1, 3, SIDE, SIDE).repeat(1, STEPS, 1, 1, 1)
    assert Judge(6, float(judge.motion_of(still).std()))(still).isfinite().all()


def test_cells_of_one_seed_share_a_judge(monkeypatch, tmp_path):
    monkeypatch.setattr(judge, "EPOCHS", 1)
    clip, label = torch.rand(8, STEPS, 3, SIDE, SIDE), torch.arange(8) % 6
    fitted = {}
    for cell in "ab":
        with keeping(tmp_path / cell, tmp_path / "common", "code"):
            for seed in (0, 1):
                fitted[cell, seed] = fit_judge(clip, label, 6, seed=seed)(clip)
    assert len(list((tmp_path / "common").glob("*.pt"))) == 2
    assert torch.equal(fitted["a", 0], fitted["b", 0])
    assert not torch.equal(fitted["a", 0], fitted["a", 1])


def test_varied_clips_are_the_same_clip_elsewhere_and_two_of_three_are_blurred():
    clip = torch.rand(7, 2, 3, SIDE, SIDE)
    moved = judge._varied(clip, torch.Generator().manual_seed(0))
    assert moved.shape == clip.shape
    every = {tuple(clip[0, 0, :, y, x].tolist()) for y in range(SIDE) for x in range(SIDE)}
    inside = {tuple(moved[0, 0, :, 16, x].tolist()) for x in range(8, 24)}
    assert inside <= every
    # A box over n numbers that have nothing to do with each other leaves 1 / sqrt(n) of the spread.
    spread = moved[..., 4:-4, 4:-4].flatten(1).std(1) / clip.std()
    for first, side in enumerate(judge.BLURS):
        torch.testing.assert_close(
            spread[first::3], torch.full_like(spread[first::3], 1 / side), rtol=0.1, atol=0
        )
    assert Judge(6, 1.0)(clip).shape == (7, 6)


def test_who_cannot_draw_is_not_judged_and_broken_paint_is_named(monkeypatch):
    monkeypatch.setattr(judge, "EPOCHS", 1)
    with pytest.raises(NotApplicableError, match="Knows has no codes of clips with a prior"):
        run(fake.Knows())

    class Broken(fake.Repaints):
        def draw_what(self, n, frames, generator):
            return super().draw_what(n, frames, generator) * float("nan")

    with pytest.raises(ValueError, match=r"Broken paints clips that are not finite \(what drawn\)"):
        run(Broken())
    still = fake.Clips(relabel=lambda labels: 0 * labels["expression"])
    with pytest.raises(ValueError, match="no clip of split 'train' shows an expression"):
        run(fake.Repaints(), still)
