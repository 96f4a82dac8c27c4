"""The protocol of faces that are not aligned: both ground truths, pinned on made-up points."""

import numpy as np
import pytest
import torch

from benchmarks.protocols import landmarks, wild
from benchmarks.protocols.interface import NotApplicableError
from lightning_modules.controls.points import FixedPoints
from lightning_modules.interface import Keypoints


class Data:
    """Two splits of made-up landmarks in pictures of known shapes."""

    name = "made"

    def __init__(self, aspect=True):
        rng = np.random.default_rng(0)
        self.splits = {}
        for split, n in (("train", 60), ("test", 24)):
            eyes = np.array([[-0.3, -0.2], [0.3, -0.2], [0, 0.1], [-0.2, 0.3], [0.2, 0.3]])
            marks = eyes * rng.uniform(0.6, 1.2, (n, 1, 1)) + rng.normal(0, 0.1, (n, 1, 2))
            labels = {"landmarks": torch.from_numpy(marks).float()}
            if aspect:
                labels["aspect"] = torch.from_numpy(rng.uniform(0.6, 1.5, n)).float()
            self.splits[split] = labels

    validation_split = "train"

    def eval_dataloader(self, split, batch_size=0):
        marks = self.splits[split]["landmarks"]
        index = torch.arange(len(marks))
        return [{"image": torch.zeros(len(marks), 3, 8, 8), "landmarks": marks, "index": index}]

    def to_batch(self, batch, device):
        return batch

    def dataset(self, split):
        labels = self.splits[split]

        class Rows:
            def __getitems__(self, rows):
                return {"image": torch.zeros(len(rows), 3, 8, 8, dtype=torch.uint8)}

        made = Rows()
        made.labels = labels
        return made


class Oracle(FixedPoints):
    """Knows the landmarks of whatever split has as many pictures."""

    def __init__(self, data):
        super().__init__()
        self.known = {len(s["landmarks"]): s["landmarks"] for s in data.splits.values()}

    def keypoints(self, image):
        return Keypoints(self.known[len(image)], None)


def test_the_slip_is_that_of_the_released_code():
    """AutoLink: x times 128 over the height, y times 128 over the width."""
    width, height, pixels = 60.0, 90.0, np.array([[20.0, 30.0]])
    true = pixels / [width, height] * 2 - 1
    released = pixels / [height, width] * 2 - 1
    found = wild.slipped(true[None], np.array([width / height]))
    np.testing.assert_allclose(found[0], released, atol=1e-12)
    np.testing.assert_allclose(wild.slipped(true[None], np.ones(1))[0], true)


def evaluated(method, data):
    return wild.evaluate(method, data, device=torch.device("cpu"), seed=0)


def test_true_points_predict_the_true_landmarks_and_not_the_released_ones():
    data = Data()
    found = evaluated(Oracle(data), data).metrics
    assert found["nme"] < 1e-3 and found["nme_b"] < 1e-3
    assert found["nme_v0"] > 10 and found["nme_v0_b"] > 10


GOLDEN = {"nme": 26.464035, "nme_b": 26.464035, "nme_v0": 83.855629, "nme_v0_b": 83.855629}


def test_the_numbers_are_pinned_and_the_first_are_those_of_the_landmark_protocol():
    assert wild.VERSION == 1
    data = Data()
    method = FixedPoints(8)
    found = evaluated(method, data)
    assert found.metrics == pytest.approx(GOLDEN, rel=1e-5)
    plain = landmarks.evaluate(method, data, device=torch.device("cpu"), seed=0)
    for name in ("nme", "nme_b"):
        assert found.metrics[name] == plain.metrics[name]
        low, high = found.intervals[name.replace("nme", "nme_v0")]
        assert low < found.metrics[name.replace("nme", "nme_v0")] < high
    assert found.metrics["nme_v0"] > 1.5 * found.metrics["nme"]
    assert found.arrays["test_keypoints"].shape == (16, 8, 2)


def test_pictures_of_unknown_shape_cannot_be_scored():
    data = Data(aspect=False)
    with pytest.raises(NotApplicableError, match="made does not say what shape"):
        evaluated(FixedPoints(8), data)
