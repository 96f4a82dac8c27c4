import json
import sys

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from benchmarks import canvas, pictures
from benchmarks.canvas import DPI, SKY, Sheet, tile_size
from benchmarks.diagrams import draw_curves, draw_sparsification
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.schema import CellSpec

TITLE = "dlp-k30 seed 0"
CELL = CellSpec(
    table="mafl",
    row="dlp-k30",
    method="dlp",
    args={"n_keypoints": 30},
    fit=True,
    dataset="celeba",
    data={"image_size": 64},
    trainer={"max_epochs": 2},
    seed=3,
    budget="quick",
    source="standin",
    protocol="landmarks",
    protocol_version=1,
    data_fingerprint="0123456789abcdef",
)


def faces(n=3, size=64, seed=0):
    """An oval with two eyes and a mouth, and where they are."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size * 2 - 1 + 1 / size
    images = np.full((n, size, size, 3), 60, np.uint8)
    landmarks = np.array([[-0.3, -0.2], [0.3, -0.2], [0, 0.1], [-0.2, 0.4], [0.2, 0.4]])
    landmarks = landmarks + rng.uniform(-0.1, 0.1, (n, 1, 2))
    for image, points in zip(images, landmarks, strict=True):
        centre = points.mean(0)
        image[((x - centre[0]) / 0.6) ** 2 + ((y - centre[1]) / 0.8) ** 2 < 1] = (214, 170, 140)
        for px, py in points:
            image[(x - px) ** 2 + (y - py) ** 2 < 0.006] = (60, 30, 30)
    return images, landmarks


def all_arrays(n=6, particles=8):
    rng = np.random.default_rng(1)
    images, landmarks = faces(n)
    error = rng.gamma(2.0, 2.0, 100)
    sorted_error = np.sort(error)
    oracle = (np.cumsum(sorted_error) / np.arange(1, 101))[::-1] / error.mean()
    return {
        "test_images": images,
        "test_landmarks": landmarks,
        "test_predicted": landmarks + rng.normal(0, 0.03, landmarks.shape),
        "test_keypoints": rng.uniform(-0.9, 0.9, (n, particles, 2)),
        "test_log_variance": rng.normal(-6, 1, (n, particles, 2)),
        "per_image_error": error,
        "sparsification": np.stack([oracle * 0.9 + 0.1, oracle]),
    }


class Echo(torch.nn.Module):
    """Reconstructs a constant, outside of [0, 1] if it is told to."""

    def __init__(self, value):
        super().__init__()
        self.value = value
        self.modes = []

    def reconstruct(self, image):
        self.modes.append((self.training, torch.is_grad_enabled()))
        return torch.full_like(image, self.value)


def tile_of(sheet, row, column, pixels=None):
    left, top, width, height = sheet.box(row, column)
    pixels = sheet.pixels() if pixels is None else pixels
    return pixels[top : top + height, left : left + width].astype(float)


def centroid(weight):
    rows, columns = np.indices(weight.shape)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize(
    ("size", "pixel"), [((64, 64), (40, 13)), ((128, 128), (5, 120)), ((109, 89), (70, 33))]
)
def test_a_marker_lies_on_the_pixel_it_was_given_for(size, pixel):
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    dotted = image.copy()
    dotted[pixel] = 255
    # The centre of pixel (row, column), as the landmark readers compute it.
    point = np.array([(pixel[1] + 0.5) * 2 / width - 1, (pixel[0] + 0.5) * 2 / height - 1])
    bare = Sheet("h", "t", rows=1, columns=2, tile=tile_size(size))
    bare.photo(0, 1, dotted)
    expected = centroid(tile_of(bare, 0, 1)[..., 0])
    arrays = {"test_images": np.stack([image] * 2), "test_keypoints": np.tile(point, (2, 1, 1))}
    drawn = pictures.draw_particles(arrays, TITLE)
    assert np.abs(centroid(tile_of(drawn, 0, 1).max(-1)) - expected).max() < 0.3
    # And a predicted landmark, told by its colour.
    true = np.tile([[-0.9, 0.0], [0.9, 0.0]], (2, 1, 1))
    predicted = np.tile(np.stack([point, point]), (2, 1, 1))
    marked = pictures.draw_landmarks(
        {"test_images": arrays["test_images"], "test_landmarks": true, "test_predicted": predicted},
        TITLE,
    )
    blue = np.abs(tile_of(marked, 0, 1) - 255 * np.array(to_rgb(SKY))).sum(-1) < 12
    assert np.abs(centroid(blue.astype(float)) - expected).max() < 0.5


def test_photographs_are_enlarged_by_a_whole_factor():
    assert tile_size((64, 64)) == (256, 256)
    assert tile_size((128, 128)) == (256, 256)
    assert tile_size((109, 89)) == (218, 178)
    assert tile_size((16, 16)) == (128, 128)
    assert tile_size((600, 500)) == (600, 500)


def test_a_photograph_keeps_its_colours():
    images, _ = faces(1, size=128)
    flat = np.full_like(images[0], (200, 120, 40))
    sheet = Sheet("h", "t", rows=1, columns=1, tile=(256, 256))
    sheet.photo(0, 0, flat)
    assert (tile_of(sheet, 0, 0) == (200, 120, 40)).all()


def test_particles_keep_their_colour_across_pictures_and_grow_with_certainty():
    images = np.zeros((2, 64, 64, 3), np.uint8)
    # Particle 0 is at the bottom of both, particle 1 at the top, particle 2 between.
    points = np.array([[[0.5, 0.6], [-0.5, -0.6], [0, 0]], [[-0.5, 0.7], [0.5, -0.5], [0, 0.1]]])
    spread = np.stack([np.full((3, 2), -8.0), np.full((3, 2), -2.0)])
    sheet = pictures.draw_particles(
        {"test_images": images, "test_keypoints": points, "test_log_variance": spread}, TITLE
    )
    pixels = sheet.pixels()
    tiles = [tile_of(sheet, 0, column, pixels) for column in range(2)]

    def colour(picture, particle):
        x, y = ((points[picture, particle] + 1) * 128).astype(int)
        return tiles[picture][y, x]

    seen = [colour(0, particle) for particle in range(3)]
    for particle in range(3):
        np.testing.assert_array_equal(colour(1, particle), seen[particle])
    ordered = 255 * np.array(canvas.ordered_colours(3))[:, :3]
    np.testing.assert_allclose([seen[1], seen[2], seen[0]], ordered, atol=1.0)
    covered = [(tile.max(-1) > 40).sum() for tile in tiles]
    assert covered[0] > 3 * covered[1]


def test_methods_without_variance_have_markers_of_one_size():
    arrays = all_arrays()
    del arrays["test_log_variance"]
    sheet = pictures.draw_particles(arrays, TITLE)
    areas = sheet.figure.axes[0].collections[0].get_sizes()
    assert set(areas) == {32.0}
    constant = {**all_arrays(), "test_log_variance": np.full((6, 8, 2), -4.6)}
    areas = pictures.draw_particles(constant, TITLE).figure.axes[0].collections[0].get_sizes()
    assert len(set(areas)) == 1


def test_error_in_captions_is_the_protocols():
    from benchmarks.protocols.landmarks import interocular_errors

    arrays = all_arrays()
    ours = pictures.interocular_error(arrays["test_predicted"], arrays["test_landmarks"], (64, 64))
    theirs = interocular_errors(arrays["test_predicted"], arrays["test_landmarks"]).mean(1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    sheet = pictures.draw_landmarks(arrays, TITLE)
    words = [text.get_text() for text in sheet.figure.texts]
    captions = [word for word in words if word.endswith("%")]
    assert captions == [f"{error:.1f} %" for error in np.sort(ours)]


def test_median_and_worst_faces_come_first_where_the_protocol_gives_them():
    arrays = all_arrays()
    for group, shift in (("median", 0.02), ("worst", 0.4)):
        arrays[f"{group}_images"] = arrays["test_images"][:4]
        arrays[f"{group}_landmarks"] = arrays["test_landmarks"][:4]
        arrays[f"{group}_predicted"] = arrays["test_landmarks"][:4] + shift
    sheet = pictures.draw_landmarks(arrays, TITLE)
    words = [text.get_text() for text in sheet.figure.texts]
    captions = [float(word[:-2]) for word in words if word.endswith("%")]
    assert len(captions) == 8
    assert max(captions[:4]) < min(captions[4:])
    assert any("median" in word for word in words)
    assert any("largest" in word for word in words)


def test_reconstructions_are_clamped_and_leave_the_method_as_it_was():
    images = np.zeros((2, 64, 64, 3), np.uint8)
    method = Echo(3.0).train()
    sheet = pictures.draw_reconstructions({"test_images": images}, method, TITLE)
    assert method.training
    assert method.modes == [(False, False)]
    assert (tile_of(sheet, 1, 0) == 255).all()
    assert "RMSE 1.000" in [text.get_text() for text in sheet.figure.texts]
    # The same picture again differs nowhere: the light end of the scale.
    same = pictures.draw_reconstructions({"test_images": images}, Echo(-1.0), TITLE)
    assert tile_of(same, 2, 0).mean() > 200
    assert tile_of(sheet, 2, 0).mean() < 20


def test_sparsification_shows_curve_oracle_and_chance():
    arrays = all_arrays()
    sheet = draw_sparsification(ProtocolResult({"ause": 0.123}, {}, arrays), TITLE)
    axes = sheet.figure.axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["at random", "by the method's variance", "by the error itself (oracle)"]
    assert "0.123" in axes.texts[0].get_text()
    by_variance = axes.get_lines()[1]
    np.testing.assert_allclose(by_variance.get_xdata()[[0, -1]], [0, 99])
    np.testing.assert_allclose(by_variance.get_ydata(), arrays["sparsification"][0])


def test_curves_are_drawn_over_epochs_and_repeated_epochs_once():
    rows = [
        {"epoch": 0, "step": 4, "train/loss_step": 9.0},
        {"epoch": 0, "step": 10, "train/loss": 8.0, "val/loss": 8.5, "lr": 0.1},
        {"epoch": 1, "step": 20, "train/loss": 99.0, "val/loss": 99.0, "lr": 0.1},
        {"epoch": 1, "step": 20, "train/loss": 0.4, "val/loss": 0.5, "lr": 0.1},
    ]
    axes = draw_curves(rows, TITLE).figure.axes
    assert len(axes) == 1  # the learning rate is no loss
    batch, train, val = axes[0].get_lines()
    np.testing.assert_allclose(batch.get_xydata(), [[0.5, 9.0]])
    np.testing.assert_allclose(train.get_xydata(), [[1, 8.0], [2, 0.4]])
    np.testing.assert_allclose(val.get_xydata(), [[1, 8.5], [2, 0.5]])
    assert axes[0].get_yscale() == "log"
    rows = [{"epoch": 0, "step": 10, "train/loss": -2.0}, {"epoch": 1, "step": 20, "train/loss": 5}]
    assert draw_curves(rows, TITLE).figure.axes[0].get_yscale() == "linear"
    assert draw_curves([], TITLE) is None


def test_a_whole_cell(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    rows = [{"epoch": e, "step": 10 * e + 10, "train/loss": 5.0 - e, "val/kl": 1} for e in range(3)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "metrics.jsonl").write_text(lines + '{"epoch": 3, "st')  # torn by a kill
    before = dict(matplotlib.rcParams)
    made = pictures.draw_cell(
        ProtocolResult({}, {}, all_arrays()),
        run / "pictures",
        title=pictures.cell_title(CELL),
        method=Echo(0.5),
    )
    assert [path.name for path in made] == [
        "particles.png",
        "landmarks.png",
        "reconstructions.png",
        "sparsification.png",
        "curves.png",
    ]
    assert sorted(made) == sorted((run / "pictures").iterdir())  # no temporary file is left
    for path in made:
        with Image.open(path) as image:
            image.load()
            assert image.mode == "RGB"
            assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
            assert image.width >= 1000
        assert path.stat().st_size < 1_500_000
    assert dict(matplotlib.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_pictures_without_their_input_are_left_out(tmp_path):
    nothing = ProtocolResult({})
    assert pictures.draw_cell(nothing, tmp_path / "pictures", title=TITLE) == []
    assert not (tmp_path / "pictures").exists()
    arrays = all_arrays()
    del arrays["test_predicted"], arrays["sparsification"]
    some = ProtocolResult({}, {}, arrays)
    made = pictures.draw_cell(some, tmp_path / "p", title=TITLE, method=torch.nn.Linear(1, 1))
    assert [path.name for path in made] == ["particles.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    sheet = Sheet("h", "t", rows=1, columns=1, tile=(64, 64))
    path = sheet.save(tmp_path / "a.png")
    old = path.read_bytes()

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmarks.files.os.fsync", no_space)
    with pytest.raises(OSError, match=r"a\.png"):
        sheet.save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_the_title_says_which_cell_and_which_data():
    title = pictures.cell_title(CELL)
    for word in ("dlp-k30", "seed 3", "celeba", "stand-in data", "quick", "landmarks v1"):
        assert word in title
    sheet = pictures.draw_particles(all_arrays(), title)
    assert title in [text.get_text() for text in sheet.figure.texts]
    real = pictures.cell_title(CELL.model_copy(update={"source": "real"}))
    assert "real data" in real
    assert "stand-in" not in real
