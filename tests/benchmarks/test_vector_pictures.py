import numpy as np
from PIL import Image

from benchmarks.pictures import draw_cell
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.vector_pictures import coloured, draw_vectors


def test_the_same_vector_has_the_same_colour():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(4, 16)).astype(np.float32)
    which = rng.integers(0, 4, (3, 8, 8))
    found = coloured(np.moveaxis(kinds[which], -1, 1))
    assert found.shape == (3, 8, 8, 3) and found.dtype == np.uint8
    colours = [np.unique(found[which == kind], axis=0) for kind in range(4)]
    assert all(len(each) == 1 for each in colours)
    apart = [np.abs(a.astype(int) - b).max() for a in colours for b in colours if a is not b]
    assert min(apart) > 20


def test_few_or_constant_numbers_are_grey():
    assert set(coloured(np.ones((2, 2, 4, 4), np.float32)).ravel()) == {128}
    one = np.zeros((1, 1, 2, 2), np.float32)
    one[0, 0, 0, 0] = 1
    found = coloured(one)
    assert (found[..., 1:] == 128).all() and len(np.unique(found[..., 0])) == 2


def test_a_sheet_is_drawn_where_there_are_vectors(tmp_path):
    images = np.zeros((8, 16, 16, 3), np.uint8)
    vectors = np.random.default_rng(0).normal(size=(8, 3, 8, 8))
    assert draw_vectors({"test_images": images}, "x") is None
    scored = ProtocolResult({}, {}, {"test_images": images, "test_vectors": vectors})
    (path,) = draw_cell(scored, tmp_path / "pictures", title="x")
    assert path.name == "vectors.png"
    with Image.open(path) as sheet:
        assert np.asarray(sheet.convert("RGB")).std() > 20
