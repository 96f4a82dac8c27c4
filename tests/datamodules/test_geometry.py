import numpy as np
import pytest
from PIL import Image

from datamodules.coordinates import to_pixels
from datamodules.geometry import PRESETS, Geometry

MEAN = np.array([[69.0, 111.0], [108.0, 111.0], [89.0, 135.0], [73.0, 152.0], [105.0, 152.0]])


def view_of(geometry, image):
    stored = geometry.resample(image)
    cut = slice(geometry.margin, geometry.margin + geometry.image_size)
    return stored[cut, cut]


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (218, 178, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("name", "size", "resize", "margin", "crop_rows"),
    [
        ("dlp", 128, 160, 16, True),
        ("dve", 96, 136, 20, True),
        ("dve-smallnet", 70, 100, 15, True),
        ("keynet", 128, 160, 16, False),
        ("lmdis", 80, 100, 10, False),
    ],
)
def test_own_size_is_the_papers_recipe_to_the_last_bit(
    noise, name, size, resize, margin, crop_rows
):
    picture = noise.crop((0, 30, 178, 208)) if crop_rows else noise
    whole = np.asarray(picture.resize((resize, resize), Image.Resampling.BILINEAR))
    expected = whole[margin : margin + size, margin : margin + size]
    geometry = Geometry(PRESETS[name], size)
    assert (geometry.image_size, geometry.side, geometry.margin) == (size, resize, margin)
    np.testing.assert_array_equal(view_of(geometry, noise), expected)


def test_the_papers_view_in_pixels_of_the_picture():
    box = Geometry(PRESETS["dlp"], 64).view
    np.testing.assert_allclose(box, (17.8, 47.8, 17.8 + 142.4, 47.8 + 142.4))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [64, 67, 128])
def test_any_size_shows_the_same_field_and_stores_no_more_than_the_frame(name, size):
    preset = PRESETS[name]
    geometry = Geometry(preset, size)
    assert geometry.view == Geometry(preset, preset.size).view
    left, top, right, bottom = geometry.stored
    assert left >= preset.frame.left
    assert top >= preset.frame.top
    assert right <= preset.frame.right
    assert bottom <= preset.frame.bottom
    per_pixel = geometry.view.width / size
    assert geometry.stored.width == pytest.approx(per_pixel * geometry.side)
    assert preset.frame.width - geometry.stored.width < 2 * per_pixel + 1e-9


def test_landmarks_follow_the_papers_formulas():
    # DLP and DVE: y -= 30; all * R / 178; minus the margin. The others: each axis by its own side.
    # Ours differs by half a pixel's scaling: whole numbers are centres of pixels.
    for name, squashed in (("dlp", False), ("dve", False), ("keynet", True), ("lmdis", True)):
        preset = PRESETS[name]
        xy = MEAN - (0 if squashed else np.array([0, 30]))
        factor = preset.resize / np.array([178, 218 if squashed else 178])
        expected = xy * factor - preset.margin
        found = to_pixels(
            Geometry(preset, preset.size).landmarks(MEAN).astype(float), (preset.size,) * 2
        )
        np.testing.assert_allclose(
            found - expected, np.broadcast_to((factor - 1) / 2, (5, 2)), atol=1e-4
        )


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [64, 128])
def test_landmarks_sit_on_what_they_mark(name, size, face_drawer, landmark_colours):
    """Discs drawn at the landmarks are found where the landmarks say, at every crop and size."""
    geometry = Geometry(PRESETS[name], size)
    shown = view_of(geometry, face_drawer(MEAN)).astype(float)
    marks = to_pixels(geometry.landmarks(MEAN).astype(float), (size, size))
    for point, colour in zip(marks, landmark_colours, strict=True):
        weight = 255 - np.abs(shown - colour).max(-1)
        weight = np.where(weight > 160, weight, 0)
        rows, columns = np.indices(weight.shape)
        found = [(weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()]
        np.testing.assert_allclose(found, point, atol=0.25)
