import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.arrays import MemoryRows, PickedRows, already_batched
from datamodules.clips import ClipDataset, ClipTable, Window

LENGTHS = np.array([5, 3, 8, 4])
START = np.array([0, 5, 8, 16])
FRAMES = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)


def table():
    return ClipTable(
        start=START,
        length=LENGTHS,
        names=["a", "b", "c", "d"],
        labels={"identity": np.array([7, 8, 9, 7])},
        splits={"all": np.arange(4), "some": np.array([3, 0])},
    )


def dataset(clips=(0, 2, 3), window=None, **arguments):
    labels = {"time": np.arange(20, dtype=np.float32), "place": np.arange(40.0).reshape(20, 2)}
    window = window or Window(4)
    chosen = np.array(clips, np.int64)
    return ClipDataset(MemoryRows(FRAMES), table(), chosen, window, labels, **arguments)


def by_a_loop(window, start, length):
    rows = []
    for begin, count in zip(start, length, strict=True):
        for k in range(window.frames):
            if window.kind == "start":
                rows.append(begin + k * window.stride)
            else:  # half-way goes up
                rows.append(begin + int(np.floor(k * (count - 1) / (window.frames - 1) + 0.5)))
    return np.array(rows).reshape(len(start), window.frames)


@pytest.mark.parametrize("frames", [2, 3, 7, 16, 60])
@pytest.mark.parametrize(("kind", "stride"), [("whole", 1), ("start", 1), ("start", 3)])
def test_a_window_is_what_a_loop_would_give(frames, kind, stride):
    window = Window(frames, kind, stride)
    length = window.shortest + np.array([0, 1, 2, 17, 100])
    start = np.array([0, 3, 1000, 77, 5])
    rows = window.rows(start, length)
    np.testing.assert_array_equal(rows, by_a_loop(window, start, length))
    assert rows.dtype == np.int64
    assert (np.diff(rows, axis=1) > 0).all()  # no frame twice
    assert (rows[:, 0] == start).all() and (rows[:, -1] < start + length).all()
    if kind == "whole":
        assert (rows[:, -1] == start + length - 1).all()


def test_the_shortest_clip_of_a_window():
    assert Window(60).shortest == 60
    assert Window(16, "start").shortest == 16
    assert Window(16, "start", 2).shortest == 31


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1,), "frames must be at least 2"),
        ((4, "start", 0), "stride 1, got 4, 0"),
        ((4, "end"), "'whole' or 'start', got 'end'"),
        ((4, "whole", 2), "stride 2 needs window 'start'"),
    ],
)
def test_windows_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Window(*arguments)


def test_all_frames_of_some_clips():
    rows, owners = table().frames_of(np.array([3, 0]))
    assert rows.tolist() == [16, 17, 18, 19, 0, 1, 2, 3, 4]
    assert owners.tolist() == [3] * 4 + [0] * 5
    assert [len(found) for found in table().frames_of(np.arange(0))] == [0, 0]


def test_a_list_of_clips_is_a_batch():
    data = dataset()
    assert len(data) == 3 and data.names == ["a", "c", "d"]
    assert data.clip_shape == (4, 3, 6, 6)
    batch = data.__getitems__([2, 0])
    rows = [[16, 17, 18, 19], [0, 1, 3, 4]]
    assert batch["clip"].shape == (2, 4, 3, 6, 6)
    assert batch["clip"].dtype == torch.uint8 and batch["clip"].is_contiguous()
    np.testing.assert_array_equal(batch["clip"].permute(0, 1, 3, 4, 2).numpy(), FRAMES[rows])
    assert batch["index"].tolist() == [2, 0]  # places in the dataset, not in the table
    assert batch["identity"].tolist() == [7, 7]
    assert batch["time"].tolist() == rows
    assert batch["place"].shape == (2, 4, 2)
    assert batch["place"][1, 2].tolist() == [6.0, 7.0]


def test_margin_is_cut_from_every_frame():
    cut = dataset(margin=1)
    assert cut.clip_shape == (4, 3, 4, 4)
    inner = dataset()[1]["clip"][..., 1:5, 1:5]
    assert torch.equal(cut[1]["clip"], inner)


def test_a_clip_that_is_too_short_is_named():
    with pytest.raises(ValueError, match="clip b has 3 frames, 4 are needed"):
        dataset((0, 1))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_reads_whole_batches_of_a_pickled_dataset(workers):
    data = pickle.loads(pickle.dumps(dataset(window=Window(2, "start", 3))))
    loader = DataLoader(data, batch_size=2, collate_fn=already_batched, num_workers=workers)
    assert [batch["time"].tolist() for batch in loader] == [[[0, 3], [8, 11]], [[16, 19]]]


def test_picked_rows_are_a_view_of_others():
    rows = PickedRows(MemoryRows(FRAMES), np.array([19, 3, 3]))
    assert rows.shape == (3, 6, 6, 3)
    np.testing.assert_array_equal(rows.take([2, 0]), FRAMES[[3, 19]])
