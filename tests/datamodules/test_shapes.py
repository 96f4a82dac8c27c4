"""Random shapes: what is drawn, and what is said of it."""

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.shapes import FIRST, Shapes
from datamodules.standins.random_shapes import KINDS, Drawn, draw_shapes, paint_shapes

SIZES = {"train": 40, "val": 8, "test": 300}


def made(tmp_path, **more):
    data = Shapes(**({"image_size": 64, "sizes": SIZES, "cache_dir": str(tmp_path)} | more))
    data.prepare_data()
    data.setup()
    return data


def test_pictures_hold_two_to_five_shapes_apart_and_boxes_hold_the_shapes(tmp_path):
    data = made(tmp_path)
    (batch,) = data.eval_dataloader("test", 300)
    count = (batch["object_shape"] >= 0).sum(1)
    assert sorted(set(count.tolist())) == [2, 3, 4, 5]
    assert set(batch["object_shape"].flatten().tolist()) == {-1, 0, 1, 2, 3}
    shown = (batch["image"].permute(0, 2, 3, 1).numpy() != [0, 255, 255]).any(3)
    inside = np.zeros_like(shown)
    pixels = ((batch["object_box"].numpy() + 1) * 32).round(3)
    for picture, boxes in enumerate(pixels):
        for left, top, right, bottom in boxes[np.isfinite(boxes).all(1)].astype(int):
            assert not inside[picture, top:bottom, left:right].any()
            inside[picture, top:bottom, left:right] = True
            assert 0 <= left < right <= 64 and 0 <= top < bottom <= 64
            assert 9 <= right - left <= 13 and 9 <= bottom - top <= 13
            there = shown[picture, top:bottom, left:right]
            # A shape reaches all sides of its box.
            assert there[0].any() and there[-1].any() and there[:, 0].any() and there[:, -1].any()
            assert there.mean() > 0.45
    assert not (shown & ~inside).any()
    assert batch["object_visible"].sum(1).tolist() == count.tolist()


def test_a_picture_is_a_function_of_seed_and_number(tmp_path):
    longer = made(tmp_path / "a", sizes=SIZES | {"train": 60})
    data = made(tmp_path / "b")
    for split in ("train", "val"):
        one, other = (next(iter(d.eval_dataloader(split)))["image"] for d in (data, longer))
        assert (one == other[: len(one)]).all()
    again = made(tmp_path / "c", draw_seed=1)
    assert not (next(iter(again.eval_dataloader("val")))["image"] == one).all()
    ends = [*sorted(FIRST.values())[1:], 10**9]
    assert all(
        first + 40_000 < end for first, end in zip(sorted(FIRST.values()), ends, strict=True)
    )


@pytest.mark.parametrize(
    ("kind", "share"), [("rectangle", 1), ("circle", np.pi / 4), ("triangle", 0.5)]
)
def test_shapes_cover_what_they_should(kind, share):
    one = np.array([[KINDS.index(kind)]])
    drawn = Drawn(
        *(np.repeat(part, 5, 1) for part in (one, one[..., None] * 0 + [4, 6])),
        *(np.repeat(np.array([[value]]), 5, 1) for value in ([40, 40], [9, 9, 9])),
    )
    picture = paint_shapes(drawn, 64)[0]
    covered = (picture == 9).all(2)
    assert covered.sum() / 1600 == pytest.approx(share, abs=0.03)
    assert not covered[:6].any() and not covered[:, :4].any()


def test_small_pictures_have_small_shapes():
    drawn = draw_shapes(np.arange(50), 16, 0)
    assert set(np.unique(drawn.size[drawn.kind >= 0])) <= {2, 3}


def test_there_are_no_files_to_read(tmp_path):
    with pytest.raises(DataError, match="shapes are drawn"):
        Shapes(source="real", root=str(tmp_path))
    assert Shapes.verify(tmp_path).checks[0].status == "warn"
    with pytest.raises(ValueError, match="sizes"):
        Shapes(sizes={"train": 1})
