import numpy as np
import pytest

from datamodules.cifar10 import CLASSES
from datamodules.standins.objects32 import KINDS, SIDE, draw_objects


@pytest.fixture(scope="module")
def many():
    kinds = np.arange(600) % len(KINDS)
    return draw_objects(np.arange(600), kinds, seed=3), kinds


def test_kinds_are_those_of_cifar10():
    assert KINDS == CLASSES


def test_a_picture_hangs_on_seed_index_and_kind_alone(many):
    images, kinds = many
    assert images.shape == (600, SIDE, SIDE, 3) and images.dtype == np.uint8
    some = np.array([599, 7, 310])
    assert np.array_equal(draw_objects(some, kinds[some], seed=3), images[some])
    other = draw_objects(some, kinds[some], seed=4)
    assert np.abs(other.astype(int) - images[some]).mean(axis=(1, 2, 3)).min() > 5


def test_pictures_fill_the_range_of_photographs(many):
    pixels = many[0] / 255
    assert 0.35 < pixels.mean() < 0.55  # CIFAR-10: 0.47
    assert 0.15 < pixels.std() < 0.3  # CIFAR-10: 0.25
    assert pixels.std(axis=(1, 2, 3)).min() > 0.03
    assert (pixels == 0).mean() < 0.05 and (pixels == 1).mean() < 0.05


def features(images):
    grey = images.mean(axis=3) / 255
    down, right = np.gradient(grey, axis=(1, 2))
    made = np.hypot(down, right).reshape(len(images), 8, 4, 8, 4).mean(axis=(2, 4))
    return made.reshape(len(images), -1)


def test_kinds_are_told_apart_by_shape_not_by_colour(many):
    images, kinds = many
    train, test = slice(0, 450), slice(450, 600)

    def nearest(values):
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
        found = (values[test] @ values[train].T).argmax(axis=1)
        return (kinds[train][found] == kinds[test]).mean()

    shape = nearest(features(images))
    colour = nearest(images.mean(axis=(1, 2)) - 100.0)
    assert shape > 0.45  # chance is 0.1; a network does better
    assert colour < 0.35
    assert shape > colour + 0.15
