"""Which pictures figures are drawn of."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.samples import FACES, SHOWN, of_data, of_files
from datamodules.interface import ArrayDataset
from datamodules.multipie_names import EXPRESSIONS


class Data:
    """A test split whose pictures show their row in every pixel."""

    def __init__(self, **labels):
        self.splits = ("train", "test")
        self.label_names = {"expression": EXPRESSIONS}
        count = len(next(iter(labels.values())))
        rows = np.arange(count, dtype=np.uint8)[:, None, None, None]
        images = np.broadcast_to(rows, (count, 4, 4, 1)).copy()
        self.set = ArrayDataset(images, {key: np.array(v) for key, v in labels.items()})

    def dataset(self, split):
        assert split == "test"
        return self.set


def rows(images):
    return images[:, 0, 0, 0].tolist()


def multipie():
    """Six persons; person 3 acts three expressions, 5 two; each shot from three views."""
    acted = [(1, 0, 4), (2, 0, 1), (3, 5, 2), (3, 0, 7), (3, 1, 3), (4, 0, 0), (5, 0, 9), (5, 1, 9)]
    acted += [(3, 0, 1), (6, 1, 1)]
    keys = [(view, *shot) for view in (-30.0, 0.0, 30.0) for shot in acted]
    view, identity, expression, light = map(list, zip(*keys, strict=True))
    return Data(view=view, identity=identity, expression=expression, illumination=light)


def test_test_pictures_are_spread_and_of_different_persons():
    assert rows(of_data(Data(other=np.zeros(100))).images) == [0, 14, 28, 42, 57, 71, 85, 99]
    shown = rows(of_data(Data(identity=np.arange(100) // 20)).images)
    assert len(shown) == SHOWN and shown[:4] == [0, 20, 40, 60]
    data = Data(other=np.zeros(3))
    few = of_data(data)
    assert rows(few.images) == [0, 1, 2] and few.drivers == []
    data.splits = ("train",)
    assert of_data(data) is None and of_data(Data(other=np.zeros(0))) is None


def test_the_person_with_most_expressions_drives_by_them_from_the_front():
    data = multipie()
    driver = of_data(data).drivers[0]
    assert driver.kind == "expression" and driver.names == ["neutral", "smile", "scream"]
    # The frontal pictures begin at row 10; of two neutral ones, that in the lower light.
    assert rows(driver.images) == [18, 14, 12]
    found = {key: values.numpy()[rows(driver.faces)] for key, values in data.set.labels.items()}
    assert found["identity"].tolist() == [1, 2, 4, 5] and len(driver.faces) == FACES
    assert not found["view"].any() and not found["expression"].any()


def test_one_shot_drives_by_its_views():
    driver = of_data(multipie()).drivers[1]
    assert (driver.kind, driver.names) == ("view", ["-30°", "0°", "30°"])
    labels = multipie().set.labels
    for key in ("identity", "expression", "illumination"):
        assert len(set(labels[key].numpy()[rows(driver.images)].tolist())) == 1
    assert set(labels["identity"].numpy()[rows(driver.faces)]).isdisjoint(
        labels["identity"].numpy()[rows(driver.images)]
    )


def test_an_acted_sequence_drives_from_neutral_to_apex():
    sequence = np.repeat([1001, 1002, 2001], [5, 20, 12])
    expression = np.repeat([3, -1, 4], [5, 20, 12])
    position = np.concatenate([np.linspace(0, 1, n) for n in (5, 20, 12)])
    data = Data(
        identity=sequence // 1000, sequence=sequence, position=position, expression=expression
    )
    [driver] = of_data(data).drivers
    # The longest of those whose expression is known.
    assert rows(driver.images) == [25, 27, 29, 31, 32, 34, 36]
    assert driver.names[0] == "0 %" and driver.names[-1] == "100 %"
    # The only other person, at rest.
    assert rows(driver.faces) in ([0], [5])
    # A head that moves while it acts is no sequence of views; who looks ahead at rest follows.
    labels = {key: values.numpy() for key, values in data.set.labels.items()}
    labels |= {"view": np.abs(np.arange(37) - 1.2), "position": position // 0.5}
    [film] = of_data(Data(**labels)).drivers
    assert film.kind == "expression" and rows(film.faces) == [1]
    data.set.labels["expression"][:] = -1
    assert of_data(data).drivers == []


def test_ones_own_pictures_are_cut_to_their_middle_square(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "notes.txt").write_text("not a picture")
    for name, left in (("b", 0), ("a", 30)):
        wide = np.zeros((20, 60, 3), np.uint8)
        wide[:, left : left + 30, 0] = 200
        Image.fromarray(wide).save(folder / f"{name}.png")
    found = of_files([folder], [], size=8, channels=3)
    assert found.images.shape == (2, 8, 8, 3) and found.drivers == []
    # The middle square is columns 20 to 40: half red, "a" on its right.
    assert found.images[0, :, 0, 0].max() < 20 and found.images[0, :, 7, 0].min() > 180
    assert found.images[1, :, 7, 0].max() < 20 and found.images[1, :, 0, 0].min() > 180
    grey = of_files([folder / "a.png"], [folder], size=8, channels=1)
    assert grey.images.shape == (1, 8, 8, 1)
    [driver] = grey.drivers
    assert driver.names == ["a", "b"] and driver.images.shape == (2, 8, 8, 1)
    assert (driver.faces == grey.images).all()


def test_what_is_no_picture_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no picture"):
        of_files([tmp_path], [], size=8, channels=3)
    (tmp_path / "x.png").write_text("no")
    with pytest.raises(ValueError, match=r"x\.png: no picture"):
        of_files([tmp_path], [], size=8, channels=3)
