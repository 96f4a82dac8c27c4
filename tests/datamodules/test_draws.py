"""Frames drawn at random: which, of whom, when, and that nothing else decides."""

import itertools
import pickle

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy import stats
from torch.utils.data import DataLoader

from datamodules.arrays import EpochSampler, already_batched
from datamodules.clips import Window
from datamodules.draws import DrawnClips, distinct
from tests.datamodules.test_clip_module import PIXELS, prepared
from tests.datamodules.test_clips import FRAMES, START, dataset


def test_every_ordered_choice_is_as_likely_as_any_other():
    places = np.random.default_rng(0).random((60_000, 3))
    found = distinct(places, np.full(60_000, 5))
    choices = list(itertools.permutations(range(5), 3))
    counts = [int((found == choice).all(1).sum()) for choice in choices]
    assert sum(counts) == 60_000  # all in range, none twice
    assert stats.chisquare(counts).pvalue > 1e-3


def test_draws_fit_every_length_to_its_ends():
    length = np.array([3, 4, 7, 1000])
    zeros, ones = (distinct(np.full((4, 3), end), length) for end in (0.0, 1.0))
    assert zeros.tolist() == [[0, 1, 2]] * 4
    assert ones.tolist() == [[n - 1, n - 2, n - 3] for n in length.tolist()]
    whole = distinct(np.random.default_rng(1).random((9, 7)), np.full(9, 7))
    assert (np.sort(whole, 1) == np.arange(7)).all()


def test_a_batch_of_visits_holds_frames_labels_and_numbers_of_its_clips():
    drawn = DrawnClips(dataset(window=Window(2)), 3, seed=4)  # clips of 5, 8 and 4 frames
    visits = np.array([3 * epoch + clip for epoch in range(200) for clip in (2, 0)])
    batch = drawn.__getitems__(visits.tolist())
    assert batch["clip"].shape == (400, 3, 3, 6, 6) and batch["clip"].dtype == torch.uint8
    assert batch["index"].tolist() == [2, 0] * 200 and batch["identity"].tolist() == [7, 7] * 200
    rows = batch["time"].long().numpy()
    np.testing.assert_array_equal(batch["clip"].permute(0, 1, 3, 4, 2).numpy(), FRAMES[rows])
    for clip, length in ((0, 4), (1, 5)):  # in the batch: c d first, then a
        seen = rows[clip::2] - START[[3, 0]][clip]
        assert set(seen.ravel().tolist()) == set(range(length))
        assert (np.sort(seen, 1)[:, 1:] != np.sort(seen, 1)[:, :-1]).all()
        assert len({tuple(row) for row in seen.tolist()}) > 20  # of 24 and 60 orders


def test_draws_hang_on_seed_visit_and_nothing_else():
    clips = dataset(window=Window(2))
    whole = DrawnClips(clips, 3).__getitems__(list(range(300)))["time"]
    again = pickle.loads(pickle.dumps(DrawnClips(clips, 3)))
    part = again.__getitems__([250, 7, 250])["time"]
    assert torch.equal(part, whole[[250, 7, 250]])
    assert torch.equal(again[7]["time"], whole[7])
    other = DrawnClips(clips, 3, seed=1).__getitems__(list(range(300)))["time"]
    assert 0 < (other == whole).all(1).float().mean() < 0.1
    assert not torch.equal(whole[:150], whole[150:])


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"clip d has 4 frames, 5 different ones.*frames=5"):
        DrawnClips(dataset(window=Window(2)), 5)
    with pytest.raises(ValueError, match="at least one frame of a clip is drawn, got 0"):
        DrawnClips(dataset(), 0)


def test_visits_are_counted_through_all_epochs():
    plain, counted = EpochSampler(10, 3), EpochSampler(10, 3, visits=True)
    for epoch in range(3):
        plain.set_epoch(epoch), counted.set_epoch(epoch)
        assert list(counted) == [10 * epoch + i for i in plain]
    in_order = EpochSampler(4, shuffle=False, visits=True)
    in_order.set_epoch(2)
    assert list(in_order) == [8, 9, 10, 11]


def seen_in(data, epoch):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    batches = list(loader)
    return {
        key: torch.cat([batch[key] for batch in batches]) for key in ("clip", "number", "index")
    }


def test_training_batches_are_drawn_and_all_others_whole(tmp_path):
    data = prepared(tmp_path, frames=6, clip_batch_size=2)
    data.hand_out("clips", draw=3)
    epochs = [seen_in(data, epoch) for epoch in (0, 1, 0)]
    assert torch.equal(epochs[0]["number"], epochs[2]["number"])
    assert not torch.equal(epochs[0]["number"].sort(0)[0], epochs[1]["number"].sort(0)[0])
    for found in epochs[:2]:
        assert sorted(found["index"].tolist()) == [0, 1]  # clip a is too short for the window
        wanted = PIXELS[found["number"].numpy(), 1:9, 1:9].transpose(0, 1, 4, 2, 3)
        np.testing.assert_array_equal(found["clip"].numpy(), wanted)
    (evaluated,) = data.eval_dataloader("all", 8)
    assert evaluated["clip"].shape == (3, 6, 3, 8, 8)
    (validated,) = data.val_dataloader()
    assert validated["clip"].shape == (1, 6, 3, 8, 8) and data.counts()["train"] == 2
    data.hand_out("clips")
    assert next(iter(data.train_dataloader()))["clip"].shape[1] == 6
    data.hand_out("pictures", draw=3)
    assert next(iter(data.train_dataloader()))["image"].shape == (5, 3, 8, 8)
    with pytest.raises(ValueError, match="draw must be 0 or more, got -1"):
        data.hand_out("clips", draw=-1)
    data.hand_out("clips", draw=10)
    with pytest.raises(ValueError, match="clip b has 9 frames, 10 different ones"):
        data.train_dataloader()


class Remembers(pl.LightningModule):
    """Keeps the numbers of the frames that it was shown, by epoch."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(1)), {}

    def training_step(self, batch, batch_idx):
        self.seen.setdefault(self.current_epoch, []).append(batch["number"].cpu())
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_run_draws_what_the_whole_run_drew(tmp_path, workers):
    def run(epochs, checkpoint=None):
        data = prepared(tmp_path, frames=6, clip_batch_size=1, num_workers=workers)
        data.hand_out("clips", draw=2)
        model = Remembers()
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        )
        trainer.fit(model, data, ckpt_path=checkpoint, weights_only=True)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return model.seen

    run(2)
    resumed, whole = run(4, tmp_path / "2.ckpt"), run(4)
    assert list(resumed) == [2, 3] and list(whole) == [0, 1, 2, 3]
    for epoch in (2, 3):
        assert torch.equal(torch.cat(resumed[epoch]), torch.cat(whole[epoch]))
    assert len({tuple(torch.cat(seen).flatten().tolist()) for seen in whole.values()}) == 4


def test_a_loader_with_workers_reads_the_same():
    drawn = DrawnClips(dataset(window=Window(2)), 3)

    def read(workers):
        sampler = EpochSampler(len(drawn), visits=True)
        sampler.set_epoch(5)
        loader = DataLoader(
            drawn, 2, sampler=sampler, collate_fn=already_batched, num_workers=workers
        )
        return [batch["time"].tolist() for batch in loader]

    assert read(0) == read(1)
