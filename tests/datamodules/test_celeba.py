import json
import os
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from datamodules.arrays import EpochSampler
from datamodules.celeba import CelebA
from datamodules.coordinates import to_pixels
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.thin_plate import Strength


def real(root, tmp_path, **arguments):
    settings = {"image_size": 32, "batch_size": 4} | arguments
    return CelebA(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)


def prepared(root, tmp_path, **arguments):
    data = real(root, tmp_path, **arguments)
    data.prepare_data()
    data.setup()
    return data


def image_path(root, number):
    return root / "celeba" / "Img" / "img_align_celeba" / f"{number:06d}.jpg"


def test_splits_and_batches(shared_tree, tmp_path):
    data = prepared(shared_tree, tmp_path)
    assert data.counts() == {"unsupervised": 20, "val": 5, "train": 6, "test": 4}
    batches = list(data.eval_dataloader("train", batch_size=4))
    assert [len(batch["index"]) for batch in batches] == [4, 2]
    batch = data.to_batch(batches[1], "cpu")
    assert batch["index"].tolist() == [4, 5]
    assert batch["identity"].tolist() == [2, 2]
    assert batch["image"].shape == (2, 3, 32, 32)
    assert batch["image"].dtype == torch.float32
    assert 0 <= batch["image"].min() < 0.4 < 0.6 < batch["image"].max() <= 1
    assert batch["landmarks"].shape == (2, 5, 2)
    assert batch["landmarks"].dtype == torch.float32
    assert (batch["landmarks"][:, 0, 0] < batch["landmarks"][:, 1, 0]).all()
    assert data.dataset("test").names == [f"{k:06d}.jpg" for k in (7, 8, 9, 10)]


def test_landmarks_mark_the_discs_in_batches(shared_tree, tmp_path):
    data = prepared(shared_tree, tmp_path, image_size=128)
    batch = data.to_batch(next(iter(data.eval_dataloader("test"))), "cpu")
    pixels = to_pixels(batch["landmarks"], (128, 128)).round().long()
    for k, colour in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1)]):
        for image, (x, y) in zip(batch["image"], pixels[:, k], strict=True):
            assert (image[:, y, x] - torch.tensor(colour)).abs().max() < 0.25


def test_mafl_pictures_are_never_trained_on(shared_tree, tmp_path):
    data = prepared(shared_tree, tmp_path)
    mafl = {*data.dataset("train").names, *data.dataset("test").names}
    assert len(mafl) == 10
    assert not mafl & {*data.dataset("unsupervised").names, *data.dataset("val").names}


def test_training_batches_with_pairs(shared_tree, tmp_path):
    data = prepared(shared_tree, tmp_path, pairs=True)
    raw = next(iter(data.train_dataloader()))
    assert raw["image"].shape == (4, 3, 40, 40)  # 32 and the paper's margin
    torch.manual_seed(0)
    batch = data.warp_batch(raw)
    assert batch["image"].shape == batch["pair"].shape == (4, 3, 32, 32)
    plain = data.to_batch(raw, "cpu")
    assert "pair" not in plain
    assert plain["image"].shape == (4, 3, 32, 32)
    moved = (batch["landmarks"] - plain["landmarks"]).abs()
    assert 0.001 < moved.max() < 0.2
    object.__setattr__(data.pair_warp, "strength", Strength().times(0))
    still = data.warp_batch(raw)
    torch.testing.assert_close(still["image"], plain["image"], atol=1e-4, rtol=0)
    torch.testing.assert_close(still["landmarks"], plain["landmarks"], atol=1e-5, rtol=0)


class Probe(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: dict[str, list] = {"train": [], "val": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)
        return self.weight * batch["image"].mean()

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("pairs", [False, True])
def test_in_a_trainer(shared_tree, tmp_path, pairs):
    data = real(shared_tree, tmp_path, pairs=pairs, batch_size=8, seed=3)
    probe = Probe()
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(probe, datamodule=data)
    train, val = probe.seen["train"], probe.seen["val"]
    assert len(train) == 4  # two batches of 8 from 20, twice
    assert all(("pair" in batch) == pairs for batch in train)
    assert not any("pair" in batch for batch in val)
    assert {batch["image"].shape[-1] for batch in train + val} == {32}
    assert all(batch["image"].dtype == torch.float32 for batch in train + val)
    for epoch in range(2):
        sampler = EpochSampler(20, 3)
        sampler.set_epoch(epoch)
        drawn = torch.cat([batch["index"] for batch in train[2 * epoch : 2 * epoch + 2]])
        assert drawn.tolist() == list(sampler)[:16]
    assert val[0]["index"].tolist() == [0, 1, 2, 3, 4]


def test_fingerprint_follows_data_and_settings_not_paths(tree_writer, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for root in (first, second):
        tree_writer(root)
    base = real(first, tmp_path).fingerprint()
    assert len(base) == 16
    assert real(second, tmp_path, num_workers=2, seed=5, pairs=True).fingerprint() == base
    prepared(first, tmp_path)
    assert real(first, tmp_path).fingerprint() == base
    changed = {
        "size": real(first, tmp_path, image_size=64),
        "crop": real(first, tmp_path, crop="keynet"),
        "limit": real(first, tmp_path, limit_unsupervised=10),
        "val": real(first, tmp_path, val_size=0),
        "standin": CelebA(image_size=32, cache_dir=str(tmp_path)),
    }
    seen = {base} | {data.fingerprint() for data in changed.values()}
    landmarks = second / "celeba" / "Anno" / "list_landmarks_align_celeba.txt"
    landmarks.write_text(landmarks.read_text().replace("000012.jpg  ", "000012.jpg   "))
    seen.add(real(second, tmp_path).fingerprint())
    with image_path(second, 15).open("ab") as file:
        file.write(b"\0")
    seen.add(real(second, tmp_path).fingerprint())
    assert len(seen) == 8


def test_a_changed_copy_gets_a_cache_of_its_own(own_tree, tmp_path):
    before = prepared(own_tree, tmp_path)
    Image.new("RGB", (178, 218), (250, 1, 1)).save(image_path(own_tree, 7), quality=30)
    after = prepared(own_tree, tmp_path)
    assert after.cache_path() != before.cache_path()
    first = after.to_batch(after.dataset("test").__getitems__([0]), "cpu")["image"]
    assert first[0, 0].min() > 0.9
    assert first[0, 1:].max() < 0.1


def test_a_half_unpacked_copy_is_named(own_tree, tmp_path):
    for k in (3, 12, 20):
        image_path(own_tree, k).unlink()
    with pytest.raises(DatasetNotFoundError) as error:
        real(own_tree, tmp_path).prepare_data()
    message = str(error.value)
    assert f"no complete CelebA copy in {own_tree}" in message
    assert "3 of 35 pictures" in message
    assert "000003 the first" in message
    assert f"whatwhere data verify celeba --data-root {own_tree}" in message
    assert not list((tmp_path / "cache").rglob("*.h5*"))


def test_missing_lists_are_named(own_tree, tmp_path):
    (own_tree / "celeba" / "MAFL" / "testing.txt").unlink()
    (own_tree / "celeba" / "Eval" / "list_eval_partition.txt").unlink()
    with pytest.raises(
        DatasetNotFoundError, match=r"missing list_eval_partition.txt; MAFL/testing.txt"
    ):
        real(own_tree, tmp_path).prepare_data()


def test_no_folder_given(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="give it with --data-root DIR"):
        CelebA(source="real", cache_dir=str(tmp_path)).prepare_data()


def test_a_picture_without_landmarks_is_named(own_tree, tmp_path):
    path = own_tree / "celeba" / "Anno" / "list_landmarks_align_celeba.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:20]))
    with pytest.raises(DataError, match=r"no row for 12 pictures, 000019 the first"):
        real(own_tree, tmp_path).prepare_data()


def test_a_wrong_landmark_row_stops_before_anything_is_written(own_tree, tmp_path):
    path = own_tree / "celeba" / "Anno" / "list_landmarks_align_celeba.txt"
    lines = path.read_text().splitlines()
    lines[9] = lines[9][:-6]
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"{path}, line 10: '000008.jpg"):
        real(own_tree, tmp_path).prepare_data()
    assert not list((tmp_path / "cache").rglob("*.h5*.tmp"))
    assert not list((tmp_path / "cache").rglob("*.h5"))


def damage(path):
    path.write_bytes(path.read_bytes()[:900])


def test_a_picture_that_does_not_decode_is_named_and_counted(own_tree, tmp_path, caplog):
    damage(image_path(own_tree, 2))
    image_path(own_tree, 30).write_text("not found")
    data = prepared(own_tree, tmp_path)
    assert data.counts() == {"unsupervised": 19, "val": 5, "train": 5, "test": 4}
    assert data.cache.skipped["train"] == ["000002.jpg"]
    assert data.cache.skipped["unsupervised"] == ["000030.jpg"]
    assert f"{image_path(own_tree, 2)} does not decode (" in caplog.text
    assert "train: 1 pictures were left out: ['000002.jpg']" in caplog.text
    # What is left keeps its own labels.
    batch = data.dataset("train").__getitems__([0, 1])
    assert data.dataset("train").names[:2] == ["000001.jpg", "000003.jpg"]
    whole = prepared(own_tree, tmp_path, max_bad_images=5).dataset("unsupervised")
    assert len(whole) == 19
    assert batch["identity"].tolist() == [1, 1]


def test_too_many_of_them_are_an_error(own_tree, tmp_path):
    for k in (2, 12, 13):
        damage(image_path(own_tree, k))
    with pytest.raises(DataError, match=r"3 pictures do not decode, 2 may be left out") as error:
        real(own_tree, tmp_path, max_bad_images=2).prepare_data()
    assert all(f"{k:06d}.jpg" in str(error.value) for k in (2, 12, 13))
    assert not list((tmp_path / "cache").rglob("*.h5*.tmp"))


def test_a_test_picture_is_never_left_out(own_tree, tmp_path):
    damage(image_path(own_tree, 8))
    with pytest.raises(DataError, match=r"000008.jpg does not decode.*none may be left out"):
        real(own_tree, tmp_path).prepare_data()


def test_a_picture_of_another_size_is_bad(own_tree, tmp_path):
    Image.new("RGB", (89, 109)).save(image_path(own_tree, 8))
    with pytest.raises(DataError, match=r"000008.jpg .*is 89 x 109, not 178 x 218"):
        real(own_tree, tmp_path).prepare_data()


def test_grey_pictures_become_rgb(own_tree, tmp_path):
    Image.new("L", (178, 218), 90).save(image_path(own_tree, 7))
    data = prepared(own_tree, tmp_path)
    assert np.unique(data.dataset("test").__getitems__([0])["image"]).tolist() == [90]


def test_stand_in_faces_are_not_taken_for_the_real_copy(own_tree, tmp_path):
    (own_tree / "celeba" / "standin.json").write_text(json.dumps({"standin": "faces"}))
    with pytest.raises(DataError, match=r"standin.json says that these are stand-in faces"):
        real(own_tree, tmp_path).prepare_data()


def test_reading_without_a_cache_names_the_command(shared_tree, tmp_path):
    with pytest.raises(DataError, match=r"whatwhere data prepare celeba --source real --data-root"):
        real(shared_tree, tmp_path).setup()


def test_too_few_pictures_for_a_batch(shared_tree, tmp_path):
    data = prepared(shared_tree, tmp_path, batch_size=21)
    with pytest.raises(DataError, match="20 pictures, not one batch of 21"):
        data.train_dataloader()


@pytest.mark.parametrize(
    "arguments",
    [
        {"source": "fake"},
        {"crop": "whole"},
        {"image_size": 2},
        {"batch_size": 0},
        {"standin_sizes": {"unsupervised": 5}},
        {"standin_sizes": (5, 0, 5)},
    ],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        CelebA(cache_dir=str(tmp_path), **arguments)


def test_unknown_split(shared_tree, tmp_path):
    with pytest.raises(ValueError, match="no split 'mafl', but unsupervised, val, train, test"):
        prepared(shared_tree, tmp_path).dataset("mafl")


def test_a_worker_process_reads_the_same(shared_tree, tmp_path):
    data = prepared(shared_tree, tmp_path, num_workers=1)
    data.dataset("train").__getitems__([0])  # the parent holds pixels and handle
    batch = next(iter(data.eval_dataloader("train")))
    assert torch.equal(batch["image"], data.dataset("train").__getitems__(range(6))["image"])


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    settings = {"cache_dir": str(tmp_path), "standin_sizes": (40, 8, 6), "image_size": 32}
    data = CelebA(**settings, batch_size=8, pairs=True)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())  # known before anything is rendered
    data.prepare_data()
    assert data.fingerprint() == fingerprint
    counts = data.counts()
    assert (counts["unsupervised"], counts["train"], counts["test"]) == (40, 8, 6)
    batch = next(iter(data.eval_dataloader("test")))
    assert (batch["landmarks"][:, 0, 0] < batch["landmarks"][:, 1, 0]).all()
    assert batch["landmarks"].abs().max() < 1
    other = CelebA(**settings | {"standin_sizes": (41, 8, 6)})
    assert other.fingerprint() != fingerprint


def test_human_landmarks_on_real_faces(tmp_path):
    """Twenty CelebA pictures with their human landmarks, upsampled from half resolution."""
    folder = os.environ.get("WHATWHERE_REAL_DATA")
    if not folder:
        pytest.skip("WHATWHERE_REAL_DATA is not set: no real faces at hand")
    pack = Path(folder) / "celeba_half_res"
    text = (pack / "list_landmarks_align_celeba.txt").read_text().splitlines()
    names = [line.split()[0] for line in text[2:]][:20]
    base = tmp_path / "copy" / "celeba"
    (base / "img_align_celeba").mkdir(parents=True)
    for name in names:
        with Image.open(pack / "img_align_celeba" / name) as image:
            image.resize((178, 218)).save(base / "img_align_celeba" / name)
    (base / "list_landmarks_align_celeba.txt").write_text("\n".join(text))
    (base / "list_eval_partition.txt").write_text("".join(f"{name} 0\n" for name in names))
    (base / "training.txt").write_text("\n".join(names[:5]))
    (base / "testing.txt").write_text("\n".join(names[5:10]))
    data = prepared(tmp_path / "copy", tmp_path, image_size=64, val_size=0)
    assert data.counts() == {"unsupervised": 10, "val": 0, "train": 5, "test": 5}
    assert list(data.val_dataloader()) == []
    batch = data.to_batch(data.dataset("unsupervised").__getitems__(range(10)), "cpu")
    # CelebA's aligned faces: eyes near (69.5, 111) and (108.5, 111), the mouth near (89, 152).
    mean = batch["landmarks"].mean(0)
    expected = torch.tensor([[-0.27, -0.1], [0.27, -0.1], [0.0, 0.25], [-0.22, 0.47], [0.22, 0.47]])
    assert (mean - expected).abs().max() < 0.1
    # Pupils are darker than the cheeks below them.
    grey = batch["image"].mean(1)
    pixels = to_pixels(batch["landmarks"], (64, 64)).round().long()
    eyes = torch.stack(
        [grey[k, p[1] - 1 : p[1] + 2, p[0]].mean() for k, p in enumerate(pixels[:, 0])]
    )
    cheeks = torch.stack([grey[k, p[1] + 9, p[0]] for k, p in enumerate(pixels[:, 0])])
    assert (cheeks - eyes).mean() > 0.1
