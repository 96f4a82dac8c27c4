import logging

import h5py
import numpy as np
import pytest
import torch

from datamodules import cache as cache_module
from datamodules.cache_writer import ClipPlan, SplitPlan
from datamodules.clip_module import FRAMES, ClipModule
from datamodules.errors import DataError
from datamodules.mnist import MNIST

LENGTHS = [4, 9, 6, 12]
TOTAL = sum(LENGTHS)
PIXELS = np.random.default_rng(0).integers(0, 256, (TOTAL, 10, 10, 3), dtype=np.uint8)


class Toy(ClipModule):
    """Four clips; frames in ``broken`` do not decode."""

    name = "toy"
    title = "Toy"
    obtain = "nowhere"
    splits = ("train", "val", "all")
    training_split = "train"
    validation_split = "val"
    broken = ()
    lengths = LENGTHS

    @property
    def margin(self):
        return 1

    def recipe(self):
        return {"broken": list(self.broken)}

    def standin_recipe(self):
        return {}

    def write_standin(self, folder, show):
        raise NotImplementedError

    def content_hash(self):
        return "toy"

    @classmethod
    def verify(cls, root):
        raise NotImplementedError

    def plan(self):
        def read():
            yield from ((k, PIXELS[k]) for k in range(TOTAL) if k not in self.broken)

        clips = ClipPlan(
            lengths=np.array(self.lengths),
            names=["a", "b", "c", "d"],
            labels={"identity": np.array([1, 2, 1, 3])},
            splits={"train": np.array([0, 1, 3]), "val": np.array([2]), "all": np.arange(4)},
        )
        return {
            FRAMES: SplitPlan(
                count=TOTAL,
                shape=(10, 10, 3),
                labels={"number": np.arange(TOTAL)},
                names=[f"{k:03d}.jpg" for k in range(TOTAL)],
                images=read,
                skipped=[f"{k:03d}.jpg" for k in self.broken],
                clips=clips,
            )
        }


def prepared(tmp_path, cls=Toy, **arguments):
    settings = {"frames": 6, "image_size": 8, "batch_size": 5, "clip_batch_size": 2} | arguments
    data = cls(cache_dir=str(tmp_path), **settings)
    data.prepare_data()
    data.setup()
    return data


def test_every_frame_is_a_picture_with_the_labels_of_its_clip(tmp_path):
    data = prepared(tmp_path)
    assert data.unit == "pictures"
    assert data.counts() == {"train": 25, "val": 6, "all": 31}
    rows = [*range(13), *range(19, 31)]
    (batch,) = data.eval_dataloader("train")  # 256 at a time
    assert batch["number"].tolist() == rows
    assert batch["identity"].tolist() == [1] * 4 + [2] * 9 + [3] * 12
    assert batch["index"].tolist() == list(range(25))
    inner = PIXELS[rows, 1:9, 1:9].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(batch["image"].numpy(), inner)
    assert data.dataset("train").names[4] == "004.jpg"
    assert data.dataset("val", with_margin=True).image_shape == (3, 10, 10)
    with pytest.raises(ValueError, match="toy has no split 'test', but train, val, all"):
        data.dataset("test")


def test_clips_are_handed_out_and_short_ones_left_out_by_name(tmp_path, caplog):
    data = prepared(tmp_path)
    with caplog.at_level(logging.WARNING):
        data.hand_out("clips")
        assert data.counts() == {"train": 2, "val": 1, "all": 3}
    assert "train: 1 of 3 clips have fewer than 6 frames and are left out: a" in caplog.text
    told = []
    data.watcher = lambda split, done, total: told.append((split, done, total))
    batches = list(data.eval_dataloader("all"))
    assert told == [("all", 0, 3), ("all", 2, 3), ("all", 3, 3)]
    numbers = torch.cat([batch["number"] for batch in batches])
    whole = np.floor(np.arange(6) * 8 / 5 + 0.5)
    assert numbers[0].tolist() == (4 + whole).tolist()
    assert numbers[1].tolist() == list(range(13, 19))
    assert torch.cat([batch["identity"] for batch in batches]).tolist() == [2, 1, 3]
    ready = data.to_batch(batches[0], "cpu")
    assert ready["clip"].dtype == torch.float32 and ready["clip"].shape == (2, 6, 3, 8, 8)
    expected = PIXELS[numbers[0], 1:9, 1:9].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(ready["clip"][0].numpy(), expected, rtol=1e-6)
    assert torch.equal(data.on_after_batch_transfer(batches[0], 0)["clip"], ready["clip"])
    (trained,) = data.train_dataloader()
    assert trained["clip"].shape == (2, 6, 3, 8, 8)
    (seen,) = data.val_dataloader()
    assert seen["identity"].tolist() == [1]
    data.hand_out("pictures")
    assert data.counts()["all"] == 31


def test_windows_share_one_cache(tmp_path):
    data = prepared(tmp_path)
    other = prepared(tmp_path, frames=3, window="start", stride=4)
    assert other.cache_path() == data.cache_path()
    other.hand_out("clips")
    assert other.clips("all").names == ["b", "d"]
    assert other.clips("all")[1]["number"].tolist() == [19, 23, 27]


def test_what_cannot_be_handed_out(tmp_path):
    with pytest.raises(DataError, match=r"none of the 3 clips of 'train' has 13.*ask for fewer"):
        prepared(tmp_path, frames=13).clips("train")
    pairs = prepared(tmp_path, pairs=True)
    with pytest.raises(ValueError, match="leave pairs out"):
        pairs.hand_out("clips")
    with pytest.raises(ValueError, match="'pictures' or 'clips', got 'frames'"):
        pairs.hand_out("frames")
    few = prepared(tmp_path, clip_batch_size=3)
    few.hand_out("clips")
    with pytest.raises(DataError, match="2 clips, not one batch of 3"):
        few.train_dataloader()
    with pytest.raises(ValueError, match="clip_batch_size"):
        Toy(cache_dir=str(tmp_path), clip_batch_size=0)
    with pytest.raises(DataError, match="mnist has pictures, no clips"):
        MNIST(cache_dir=str(tmp_path)).hand_out("clips")


def test_pairs_of_frames_are_warped_as_other_pictures_are(tmp_path):
    data = prepared(tmp_path, pairs=True)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (5, 3, 10, 10)  # with their margin
    warped = data.warp_batch(batch)
    assert warped["image"].shape == warped["pair"].shape == (5, 3, 8, 8)
    assert not torch.equal(warped["image"], warped["pair"])


class Broken(Toy):
    """Lacks the first frame, one in the middle of a clip, and a clip's last."""

    broken = (0, 7, 18)


def test_frames_that_do_not_decode_shorten_their_clips(tmp_path):
    data = prepared(tmp_path, Broken)
    table = data.cache.clips(FRAMES)
    assert table.length.tolist() == [3, 8, 5, 12]
    assert table.start.tolist() == [0, 3, 11, 16]
    pictures = data.dataset("val")
    assert pictures.labels["number"].tolist() == [13, 14, 15, 16, 17]
    shown = pictures.__getitems__([4])["image"][0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(shown, PIXELS[17, 1:9, 1:9])
    assert data.clips("train")[0]["number"].tolist() == [4, 5, 8, 9, 11, 12]


class Miscounted(Toy):
    lengths = (4, 9, 6, 11)


def test_clips_that_are_not_all_frames_leave_no_cache(tmp_path):
    with pytest.raises(ValueError, match="clips of 30 frames are planned for 31 pictures"):
        prepared(tmp_path, Miscounted)
    assert [p.suffix for p in (tmp_path / "toy").iterdir()] == [".lock"]


@pytest.mark.parametrize("in_memory", [True, False])
def test_frames_of_large_caches_are_read_in_stretches_and_checked(tmp_path, monkeypatch, in_memory):
    data = prepared(tmp_path, frames=3, window="start")
    if not in_memory:
        monkeypatch.setattr(cache_module, "IN_MEMORY_BYTES", 0)
    batch = data.clips("all").__getitems__([3, 0, 3])
    expected = PIXELS[[[19, 20, 21], [0, 1, 2], [19, 20, 21]], 1:9, 1:9]
    np.testing.assert_array_equal(batch["clip"].permute(0, 1, 3, 4, 2).numpy(), expected)
    assert (data.cache.rows(FRAMES)._images is not None) == in_memory
    if not in_memory:
        data.cache.rows(FRAMES)._file.close()
    with h5py.File(data.cache_path(), "r+") as file:
        assert file["all/image"].chunks is None
        file["all/image"][20, 5, 5, 0] ^= 1
    again = prepared(tmp_path, frames=3, window="start")
    with pytest.raises(DataError, match="picture 20 of 'all' is damaged"):
        again.clips("all").__getitems__([3])
