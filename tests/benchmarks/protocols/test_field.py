"""The field protocol: golden numbers, what chooses what, and who cannot be scored."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import METRICS
from benchmarks.protocols import field
from benchmarks.protocols.field import evaluate, fit_and_predict, looked_at, moments
from benchmarks.protocols.interface import NotApplicableError
from datamodules.interface import ArrayDataset
from lightning_modules.interface import Method

SHAPE = torch.tensor([[-0.4, -0.2], [0.4, -0.2], [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5]])
SIZE = 16


class Data:
    """Faces whose five landmarks move by one smooth field each, told by two pixels' bytes."""

    def __init__(self, counts=(120, 60), eyes_apart=True):
        generator = torch.Generator().manual_seed(0)
        self.sets = {}
        for split, count in zip(("train", "test"), counts, strict=True):
            told = torch.randint(0, 256, (count, 2), generator=generator, dtype=torch.uint8)
            images = torch.zeros(count, SIZE, SIZE, 3, dtype=torch.uint8)
            images[:, 0, :2] = told[..., None]
            landmarks = SHAPE + self.moved(told.float() / 255)[:, None]
            self.sets[split] = ArrayDataset(images.numpy(), {"landmarks": landmarks.numpy()})

    @staticmethod
    def moved(told):
        return 0.3 * (told - 0.5)

    def dataset(self, split):
        return self.sets[split]

    def eval_dataloader(self, split, batch_size):
        return [self.sets[split].__getitems__(range(len(self.sets[split])))]

    def to_batch(self, batch, device):
        return batch | {"image": batch["image"].float() / 255}


class Knows(Method):
    """Its field is the true shift everywhere, and some noise."""

    def deformation(self, image):
        shift = Data.moved(image[:, 0, 0, :2])
        generator = torch.Generator().manual_seed(len(image))
        noise = 0.05 * torch.randn(len(image), 2, SIZE, SIZE, generator=generator)
        return shift[..., None, None] + noise


class Zero(Method):
    def deformation(self, image):
        return image.new_zeros(len(image), 2, SIZE, SIZE)


class Told(Method):
    def features(self, image):
        return image[:, 0, 0, :2]


def run(method, data=None):
    return evaluate(method, data or Data(), device=torch.device("cpu"), seed=0)


GOLDEN = {"nme_mlp": 10.353, "nme": 2.652944, "nme_b": 2.609330}


@pytest.fixture(scope="module")
def scored():
    return run(Knows())


def test_version_two_gives_these_numbers(scored):
    assert field.VERSION == 2 and set(GOLDEN) <= set(METRICS)
    for metric, value in GOLDEN.items():
        # A trained network: other processors round its steps otherwise.
        tolerance = 0.05 if metric == "nme_mlp" else 1e-5
        assert scored.metrics[metric] == pytest.approx(value, rel=tolerance)
    for name, (low, high) in scored.intervals.items():
        assert low < GOLDEN[name] < high


def test_what_the_pictures_are_drawn_from(scored):
    arrays = scored.arrays
    assert arrays["test_images"].shape == (16, SIZE, SIZE, 3)
    assert arrays["test_field"].shape == (16, 2, SIZE, SIZE)
    assert arrays["test_landmarks"].shape == arrays["test_predicted"].shape == (16, 5, 2)
    assert arrays["per_image_error"].mean() == pytest.approx(scored.metrics["nme_mlp"])


def test_from_a_zero_field_comes_the_mean_shape():
    data = Data()
    result = run(Zero(), data)
    train, test = (data.sets[s].labels["landmarks"].double().numpy() for s in ("train", "test"))
    errors = np.linalg.norm(train.mean(0) - test, axis=-1) / 0.8 * 100
    for metric in ("nme", "nme_b"):
        assert result.metrics[metric] == pytest.approx(errors.mean(), rel=1e-5)
    # The L1 loss finds a median, of nine tenths of the pictures.
    assert result.metrics["nme_mlp"] == pytest.approx(errors.mean(), rel=0.1)


def test_features_are_scored_by_the_network_alone():
    result = run(Told())
    assert set(result.metrics) == {"nme_mlp"} and result.metrics["nme_mlp"] < 2
    assert "test_field" not in result.arrays


def test_the_same_seed_gives_the_same_network_and_leaves_torchs_own_generator_alone():
    rows, landmarks = torch.randn(50, 4), torch.randn(50, 5, 2)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one, two, other = (fit_and_predict(rows, landmarks, rows, seed=s) for s in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_held_out_tenth_chooses_the_epoch(monkeypatch):
    """With labels that are noise, the last epoch has learned them by heart."""
    torch.manual_seed(0)
    rows, landmarks = torch.randn(100, 60), torch.randn(100, 5, 2)
    test, true = torch.randn(200, 60), torch.randn(200, 5, 2)
    chosen = fit_and_predict(rows, landmarks, test, seed=0)
    by_heart = fit_and_predict(rows, landmarks, rows, seed=0)
    assert (chosen - true).abs().mean() < 0.95
    assert (by_heart - landmarks).abs().mean() > 0.5


def test_columns_are_standardised_by_the_training_rows():
    train = torch.randn(50, 3) * 4 + 2
    train[:, 1] = 7
    mean, scale = moments(train)
    a = (train - mean) * scale
    torch.testing.assert_close(a.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(a.std(0), torch.tensor([1.0, 0.0, 1.0]))
    assert not ((torch.tensor([0.0, 9.0, 0.0]) - mean) * scale)[1]


def test_points_are_the_cells_centres_and_how_far_they_look():
    fields = torch.rand(2, 2, 16, 16)
    points = looked_at(fields)
    assert points.shape == (2, 64, 2)
    wanted = torch.tensor([-5 / 8, -7 / 8]) + fields[1, :, :2, 2:4].mean((1, 2))
    torch.testing.assert_close(points[1, 1], wanted)


def test_who_has_neither_is_not_scored_and_too_few_labels_are_named():
    with pytest.raises(NotApplicableError, match="Method has neither field nor features"):
        run(Method())
    with pytest.raises(ValueError, match="9 labelled pictures are too few"):
        run(Zero(), Data(counts=(9, 5)))

    class Broken(Method):
        def features(self, image):
            return image.flatten(1) * float("nan")

    with pytest.raises(ValueError, match="not finite for 120 of 120 pictures of split 'train'"):
        run(Broken())
