import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.arrays import ArrayDataset, EpochSampler, already_batched


def make(count=10, side=8, margin=0):
    images = np.arange(count * side * side * 3, dtype=np.uint64).reshape(count, side, side, 3)
    return ArrayDataset(
        (images % 251).astype(np.uint8), {"identity": np.arange(count) * 7}, margin=margin
    )


def test_a_list_of_rows_is_a_batch():
    data = make()
    batch = data.__getitems__([3, 3, 0])
    assert batch["image"].shape == (3, 3, 8, 8)
    assert batch["image"].dtype == torch.uint8
    assert batch["image"].is_contiguous()
    assert batch["index"].tolist() == [3, 3, 0]
    assert batch["identity"].tolist() == [21, 21, 0]
    # Channels come last in the store and first in the batch.
    assert batch["image"][2, 1, 0, 2].item() == data.rows.take([0])[0, 0, 2, 1]


def test_margin_is_cut_on_every_side():
    whole, cut = make(), make(margin=2)
    assert cut.image_shape == (3, 4, 4)
    inner = whole.__getitems__([1])["image"][..., 2:6, 2:6]
    assert torch.equal(cut.__getitems__([1])["image"], inner)


def test_one_sample_and_pickling():
    data = pickle.loads(pickle.dumps(make()))
    sample = data[4]
    assert sample["image"].shape == (3, 8, 8)
    assert sample["identity"] == 28


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_reads_whole_batches(workers):
    data = make()
    loader = DataLoader(data, batch_size=4, collate_fn=already_batched, num_workers=workers)
    batches = list(loader)
    assert [len(batch["index"]) for batch in batches] == [4, 4, 2]
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(10))


def test_arrays_that_do_not_fit_are_refused():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="'identity' has 3 rows for 4 images"):
        ArrayDataset(images, {"identity": np.zeros(3)})
    with pytest.raises(ValueError, match="margin of 4 px"):
        ArrayDataset(images, {}, margin=4)
    with pytest.raises(ValueError, match="2 names for 4"):
        ArrayDataset(images, {}, names=["a", "b"])
    with pytest.raises(TypeError, match="uint8"):
        ArrayDataset(images.astype(np.float32), {})


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        sampler = EpochSampler(100, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 0) == order(0, 0)
    assert sorted(order(0, 0)) == list(range(100))
    assert order(0, 0)[:5] == [41, 30, 73, 54, 53]  # pinned: resumed runs rely on it
    seen = {tuple(order(seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(seen) == 16  # seed 1's first epoch is not seed 0's second
    assert list(EpochSampler(4, shuffle=False)) == [0, 1, 2, 3]


def test_processes_share_every_batch_that_one_would_read():
    def parts(epoch):
        samplers = [EpochSampler(11, 7, part=(rank, 2), batch=4) for rank in range(2)]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        assert [len(sampler) for sampler in samplers] == [4, 4]
        return [list(sampler) for sampler in samplers]

    alone = EpochSampler(11, 7)
    for epoch in range(2):
        alone.set_epoch(epoch)
        order, (first, second) = list(alone), parts(epoch)
        # Two batches of four; the three samples that fill no batch are nobody's.
        assert order[:8] == [*first[:2], *second[:2], *first[2:], *second[2:]]
    with pytest.raises(ValueError, match="batches of 4 cannot be shared by 3 processes"):
        EpochSampler(11, 7, part=(0, 3), batch=4)
