import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.ffhq import FFHQ, smaller
from datamodules.ffhq_files import find_pictures

EARLY, LATE = range(1000, 1012), range(60_000, 60_008)


def write_copy(root, *, folder="thumbnails128x128", flat=False, numbers=(*EARLY, *LATE), side=128):
    for number in numbers:
        place = root / folder if flat else root / folder / f"{number // 1000 * 1000:05d}"
        place.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (side, side), (number % 100, number // 1000, 7))
        image.save(place / f"{number:05d}.png")
    return root


@pytest.fixture
def copy(tmp_path):
    return write_copy(tmp_path / "copy")


def real(root, tmp_path, **arguments):
    settings = {"image_size": 32, "batch_size": 4, "limit": 10} | arguments
    return FFHQ(source="real", root=str(root), cache_dir=str(tmp_path / "cache"), **settings)


def prepared(data):
    data.prepare_data()
    data.setup()
    return data


def test_splits_and_batches(copy, tmp_path):
    data = prepared(real(copy, tmp_path))
    assert data.counts() == {"train": 10, "val": 4, "test": 4}
    assert data.dataset("train").names == [f"{k:05d}.png" for k in range(1000, 1010)]
    later = data.dataset("val").names + data.dataset("test").names
    assert sorted(later) == [f"{k:05d}.png" for k in LATE]
    batch = data.to_batch(next(iter(data.eval_dataloader("train"))), "cpu")
    assert set(batch) == {"image", "index"}
    assert batch["image"].shape == (10, 3, 32, 32)
    expected = torch.tensor([[k % 100, k // 1000, 7] for k in range(1000, 1010)]) / 255
    torch.testing.assert_close(batch["image"][:, :, 5, 20], expected)


def test_folders_of_a_thousand_and_flat_ones_are_the_same(copy, tmp_path):
    flat = write_copy(tmp_path / "flat" / "ffhq-dataset", flat=True)
    assert real(flat, tmp_path).fingerprint() == real(copy, tmp_path).fingerprint()
    doubled = write_copy(tmp_path / "doubled" / "thumbnails128x128")
    assert real(doubled.parent, tmp_path).fingerprint() == real(copy, tmp_path).fingerprint()


def test_the_smallest_pictures_that_suffice_are_read(copy, tmp_path):
    write_copy(copy, folder="images1024x1024", side=1024, numbers=(0, 60_001, 60_002))
    assert {side: len(found.paths) for side, found in find_pictures(copy).items()} == {
        128: 20,
        1024: 3,
    }
    assert prepared(real(copy, tmp_path, image_size=128)).counts()["train"] == 10
    large = prepared(real(copy, tmp_path, image_size=256, limit=1))
    assert large.counts() == {"train": 1, "val": 1, "test": 1}
    assert large.dataset("train").image_shape == (3, 256, 256)


def test_thumbnails_are_not_enlarged(copy, tmp_path):
    expected = r"missing the folder images1024x1024 .*there are pictures of 128 px"
    with pytest.raises(DatasetNotFoundError, match=expected):
        real(copy, tmp_path, image_size=256).prepare_data()


def test_whole_blocks_of_pixels_are_averaged():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    image = Image.fromarray(pixels)
    exact = pixels.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(smaller(16, image) - exact).max() <= 0.51
    assert np.array_equal(smaller(64, image), pixels)
    assert smaller(48, image).shape == (48, 48, 3)


def test_what_is_missing_is_named(copy, tmp_path):
    with pytest.raises(DatasetNotFoundError) as error:
        real(copy, tmp_path, limit=None).prepare_data()
    message = str(error.value)
    assert "missing 59,988 of 60,000 training pictures" in message
    assert "9,992 of the 10,000 pictures 60000.png to 69999.png" in message
    assert f"whatwhere data verify ffhq --data-root {copy}" in message
    with pytest.raises(DatasetNotFoundError, match="missing 8 of 20 training pictures"):
        real(copy, tmp_path, limit=20).prepare_data()
    early = write_copy(tmp_path / "early", numbers=EARLY)
    with pytest.raises(DatasetNotFoundError, match=r"all pictures from 60000.png on"):
        real(early, tmp_path).prepare_data()
    assert not FFHQ.verify(early).usable
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match="the folder thumbnails128x128"):
        real(tmp_path / "empty", tmp_path).prepare_data()


def test_broken_pictures(copy, tmp_path):
    path = copy / "thumbnails128x128" / "01000" / "01003.png"
    path.write_bytes(path.read_bytes()[:60])
    data = prepared(real(copy, tmp_path))
    assert data.counts()["train"] == 9
    assert data.cache.skipped["train"] == ["01003.png"]
    with pytest.raises(DataError, match="1 pictures do not decode, 0 may be left out"):
        real(copy, tmp_path, max_bad_images=0, image_size=64).prepare_data()
    name = data.dataset("test").names[0]
    Image.new("RGB", (64, 64)).save(copy / "thumbnails128x128" / "60000" / name)
    with pytest.raises(DataError, match=rf"{name} .*is 64 x 64, not 128 x 128.*none may be left"):
        real(copy, tmp_path).prepare_data()


def test_verify_a_part(copy):
    report = FFHQ.verify(copy)
    found = {check.item: check for check in report.checks}
    assert report.usable
    assert found["thumbnails128x128"].found == "20"
    assert "limit=N" in found["thumbnails128x128"].remedy
    assert found["thumbnails128x128, 01000 to 01999"].found == "12"
    decoded = next(check for item, check in found.items() if "decoded" in item)
    assert (decoded.found, decoded.status) == ("128 x 128", "ok")
    nothing = FFHQ.verify(copy / "none")
    assert not nothing.usable and "NC" in nothing.checks[0].remedy


def test_the_stand_in_comes_by_the_same_road(tmp_path):
    sizes = {"standin_sizes": (12, 6), "image_size": 64}
    data = FFHQ(cache_dir=str(tmp_path), **sizes)
    fingerprint = data.fingerprint()
    assert not list(tmp_path.iterdir())
    prepared(data)
    assert data.fingerprint() == fingerprint
    assert data.counts() == {"train": 12, "val": 3, "test": 3}
    image = data.to_batch(data.dataset("train").__getitems__(range(12)), "cpu")["image"]
    assert image.shape == (12, 3, 64, 64)
    assert image.std(dim=(1, 2, 3)).min() > 0.08
    assert torch.cdist(image.flatten(1), image.flatten(1)).fill_diagonal_(99).min() > 5
    (folder,) = tmp_path.glob("ffhq/standin-tree-*/thumbnails128x128")
    assert (folder / "60000" / "60005.png").exists()
    with pytest.raises(DataError, match="this is a stand-in"):
        real(folder.parent, tmp_path).prepare_data()


def test_the_stand_in_is_drawn_at_the_size_asked_for(tmp_path):
    data = prepared(FFHQ(cache_dir=str(tmp_path), image_size=160, standin_sizes=(2, 2)))
    assert data.dataset("train").image_shape == (3, 160, 160)
    (folder,) = tmp_path.glob("ffhq/standin-tree-*/images1024x1024")
    drawn = np.asarray(Image.open(folder / "00000" / "00000.png"))
    held = data.dataset("train").__getitems__([0])["image"][0].permute(1, 2, 0).numpy()
    assert np.array_equal(held, drawn)


@pytest.mark.parametrize(
    "arguments",
    [{"image_size": 2048}, {"limit": 0}, {"limit": 60_001}, {"standin_sizes": (4, 1)}],
)
def test_wrong_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        FFHQ(cache_dir=str(tmp_path), **arguments)
