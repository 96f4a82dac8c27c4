"""The landmark protocol: golden numbers, its algebra, and what its variants mean."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from benchmarks.protocols import landmarks
from benchmarks.protocols.landmarks import Inputs
from datamodules.interface import ArrayDataset
from lightning_modules.interface import Keypoints, Method

SHAPE = np.array([[-0.4, -0.2], [0.4, -0.2], [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5]])


def faces(n: int, k: int = 12, seed: int = 0) -> tuple[Inputs, Inputs]:
    """Landmarks that move linearly with some of k noisy keypoints of known spread."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.8, 0.8, (1, k, 2))
    mixing = rng.normal(size=(2 * k, 10)) / k
    mixing[8:] = 0

    def split(count: int) -> Inputs:
        sigma = rng.uniform(0.005, 0.05, (count, k, 1)) * np.linspace(0.5, 3, k)[:, None]
        true = points + 0.1 * rng.normal(size=(count, k, 2))
        seen = true + sigma * rng.normal(size=(count, k, 2))
        where = (true - points).reshape(count, -1) @ mixing
        return Inputs(
            seen.reshape(count, -1),
            (2 * np.log(sigma)).repeat(2, -1).reshape(count, -1),
            SHAPE + where.reshape(count, 5, 2),
        )

    return split(n), split(n // 2)


GOLDEN = {
    "nme": 2.754048,
    "nme_b": 0.9794815,
    "nme_var": 2.216542,
    "nme_var_b": 0.9962333,
    "nme_certain10": 2.836244,
    "nme_uncertain10": 3.891379,
    "var_error_spearman": 0.06981025,
    "ause": 0.4194789,
}


def test_version_one_gives_these_numbers():
    assert landmarks.VERSION == 1
    result = landmarks.score(*faces(400))
    assert set(result.metrics) == set(GOLDEN)
    for name, value in GOLDEN.items():
        assert result.metrics[name] == pytest.approx(value, rel=1e-5), name
        assert name not in result.intervals or (
            result.intervals[name][0] < value < result.intervals[name][1]
        )


@pytest.mark.parametrize("intercept", [False, True])
def test_the_regression_is_ordinary_least_squares(intercept):
    train, test = faces(300)
    ours = landmarks.predict(train.where, train.landmarks, test.where, intercept=intercept)
    model = LinearRegression(fit_intercept=intercept)
    model.fit(train.where, train.landmarks.reshape(300, -1))
    np.testing.assert_allclose(ours.reshape(150, -1), model.predict(test.where), atol=1e-9)


@pytest.mark.parametrize("intercept", [False, True])
def test_constant_points_predict_the_mean_shape(intercept):
    train, test = faces(300)
    constant = np.tile([0.3, -0.2, 0.7], (300, 1))
    predicted = landmarks.predict(
        constant, train.landmarks, constant[: len(test.where)], intercept=intercept
    )
    np.testing.assert_allclose(predicted[0], train.landmarks.mean(0), atol=1e-10)


def test_constant_log_variances_are_an_intercept_in_disguise():
    train, test = faces(300)
    one = np.full_like(train.where, -4.6)
    hidden = landmarks.score(
        train._replace(log_variance=one), test._replace(log_variance=one[: len(test.where)])
    ).metrics
    assert "ause" not in hidden
    assert hidden["nme_var"] == pytest.approx(hidden["nme_b"], rel=1e-9)
    assert hidden["nme_var"] != pytest.approx(hidden["nme"], rel=1e-3)


def test_errors_are_percent_of_the_distance_between_the_eyes():
    truth = SHAPE[None]
    off = truth + np.array([0.0, 0.08])  # a tenth of the 0.8 between the eyes
    np.testing.assert_allclose(landmarks.interocular_errors(off, truth), np.full((1, 5), 10.0))


def test_eyes_in_one_place_are_refused_by_number():
    truth = np.stack([SHAPE, np.zeros_like(SHAPE)])
    with pytest.raises(ValueError, match=r"\[1\] have both eyes in one place"):
        landmarks.interocular_errors(truth, truth)


def test_the_certain_particles_are_chosen_on_training_pictures():
    train, test = faces(400)
    # In these faces spread grows with the particle's number, and only the first four matter.
    chosen = landmarks._subsets(train, test)
    np.testing.assert_array_equal(chosen["_certain10"][0], train.where[:, :20])
    shuffled = test._replace(log_variance=test.log_variance[:, ::-1])
    again = landmarks._subsets(train, shuffled)
    np.testing.assert_array_equal(again["_certain10"][1], chosen["_certain10"][1])


def test_a_perfect_uncertainty_has_no_sparsification_error():
    error = np.random.default_rng(0).exponential(size=500)
    by_variance, oracle = landmarks.sparsification(error, 3 * error + 1)
    np.testing.assert_array_equal(by_variance, oracle)
    assert oracle[0] == pytest.approx(1)
    assert oracle[-1] == pytest.approx(error.min() / error.mean())
    useless, _ = landmarks.sparsification(error, -error)
    assert (useless - oracle).mean() > 0.5


class OnePoint(Method):
    """One keypoint: the mean of a picture's first two channels; ``spoilt`` pictures give NaN."""

    def __init__(self, spoilt: int = 0):
        super().__init__()
        self.spoilt = spoilt

    def losses(self, batch):
        return {}

    def keypoints(self, image):
        mean = 2 * image[:, :2].mean((2, 3))[:, None] - 1
        mean[: self.spoilt] = float("nan")
        return Keypoints(mean, None)


class Squares:
    """A datamodule of plain pictures, as far as the protocol asks for one."""

    def __init__(self, count: int = 30):
        rng = np.random.default_rng(0)
        images = np.repeat(rng.integers(0, 256, (count, 1, 1, 3), np.uint8), 8, 1).repeat(8, 2)
        moved = SHAPE + 0.1 * rng.normal(size=(count, 1, 2))
        self.split = ArrayDataset(images, {"landmarks": moved.astype(np.float32)})

    def dataset(self, split):
        return self.split

    validation_split = "val"

    def eval_dataloader(self, split, batch_size=20):
        if split == "val":
            return [self.split.__getitems__(range(5)), self.split.__getitems__(range(5, 8))]
        return [self.split.__getitems__(range(0, 20)), self.split.__getitems__(range(20, 30))]

    def to_batch(self, batch, device):
        return batch | {"image": batch["image"] / 255}


def test_the_pictures_are_those_at_the_median_and_the_worst():
    data = Squares()
    arrays = landmarks.evaluate(OnePoint(), data, device=torch.device("cpu"), seed=0).arrays
    error = arrays["per_image_error"]
    ranks = {int(row): rank for rank, row in enumerate(np.argsort(error, kind="stable"))}
    assert sorted(ranks[row] for row in arrays["worst_rows"]) == list(range(22, 30))
    from_median = np.abs(error - np.median(error))
    assert from_median[arrays["median_rows"]].max() == np.sort(from_median)[7]
    for group in ("median", "worst"):
        rows = arrays[f"{group}_rows"]
        np.testing.assert_array_equal(
            arrays[f"{group}_images"],
            data.split.__getitems__(rows.tolist())["image"].permute(0, 2, 3, 1),
        )
        errors = landmarks.interocular_errors(
            arrays[f"{group}_predicted"], arrays[f"{group}_landmarks"]
        )
        np.testing.assert_allclose(errors.mean(1), error[rows])
    assert arrays["test_images"].shape == (16, 8, 8, 3)
    assert arrays["test_keypoints"].shape == (16, 1, 2)


class UnsurePoint(OnePoint):
    """A keypoint whose log-variance is the mean of a picture's last channel."""

    def keypoints(self, image):
        spread = image[:, 2:].mean((2, 3))[:, None].expand(-1, 1, 2)
        return super().keypoints(image)._replace(log_variance=spread)


def test_the_mean_log_variance_is_of_the_validation_pictures():
    data = Squares()
    result = landmarks.evaluate(UnsurePoint(), data, device=torch.device("cpu"), seed=0)
    seen = data.split.__getitems__(range(8))["image"][:, 2].double().mean() / 255
    assert result.metrics["val_log_variance"] == pytest.approx(float(seen))
    without = landmarks.evaluate(OnePoint(), data, device=torch.device("cpu"), seed=0)
    assert "val_log_variance" not in without.metrics


def test_keypoints_that_are_not_finite_are_refused_with_their_number():
    # The first three of either batch: of 20 pictures and of 10.
    message = "OnePoint gave non-finite keypoints for 6 of 30 pictures of split 'test'"
    with pytest.raises(ValueError, match=message):
        landmarks.evaluate(OnePoint(3), Squares(), device=torch.device("cpu"), seed=0)
