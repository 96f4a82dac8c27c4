"""Virtual keypoints: golden numbers, where they lie, and who cannot be scored."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import METRICS
from benchmarks.protocols import field, virtual_keypoints
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.virtual_keypoints import POINTS, VirtualKeypoints, collect, fit
from lightning_modules.interface import Method
from tests.benchmarks.protocols.test_field import Data, Zero

CPU = torch.device("cpu")
GOLDEN = 9.860083


class Moves(Method):
    """Vectors of a picture that moves with the landmarks: two waves along each axis, and noise."""

    def embedding(self, image):
        shift = Data.moved(image[:, 0, 0, :2])
        centres = (torch.arange(8) * 2 + 1) / 8 - 1
        x, y = (centres - shift[:, axis, None] for axis in (0, 1))
        waves = [f(scale * at) for at in (x, y) for f in (torch.sin, torch.cos) for scale in (1, 3)]
        across = torch.stack(waves[:4], 1)[:, :, None, :].expand(-1, -1, 8, -1)
        down = torch.stack(waves[4:], 1)[..., None].expand(-1, -1, -1, 8)
        generator = torch.Generator().manual_seed(len(image))
        noise = 0.5 * torch.randn(len(image), 8, 8, 8, generator=generator)
        return torch.cat([across, down], 1) + noise


class Still(Method):
    """The same vectors for every picture."""

    def embedding(self, image):
        generator = torch.Generator().manual_seed(0)
        return torch.randn(4, 8, 8, generator=generator).expand(len(image), -1, -1, -1)


@pytest.fixture(scope="module")
def scored():
    return virtual_keypoints.evaluate(Moves(), Data(), device=CPU, seed=0)


def test_version_two_gives_these_numbers(scored):
    assert virtual_keypoints.VERSION == 2 and set(scored.metrics) == {"nme_virtual"} <= set(METRICS)
    # A trained regressor: other processors round its steps otherwise.
    assert scored.metrics["nme_virtual"] == pytest.approx(GOLDEN, rel=0.05)
    low, high = scored.intervals["nme_virtual"]
    assert low < GOLDEN < high
    assert scored.arrays["test_predicted"].shape == (16, 5, 2)
    assert scored.arrays["test_vectors"].shape == (16, 8, 8, 8)
    assert scored.arrays["per_image_error"].mean() == pytest.approx(scored.metrics["nme_virtual"])


def test_vectors_that_move_tell_more_than_vectors_that_stand_still(scored):
    data = Data()
    still = virtual_keypoints.evaluate(Still(), data, device=CPU, seed=0).metrics["nme_virtual"]
    train, test = (data.sets[s].labels["landmarks"].double().numpy() for s in ("train", "test"))
    mean_shape = np.linalg.norm(train.mean(0) - test, axis=-1).mean() / 0.8 * 100
    assert scored.metrics["nme_virtual"] < 0.75 * still
    assert still == pytest.approx(mean_shape, rel=0.1)


def test_a_virtual_keypoint_lies_where_its_vector_is():
    made = VirtualKeypoints(dim=2, landmarks=1)
    maps = torch.zeros(1, 2, 4, 8)
    maps[0, 0, 1, 6] = 1.0  # the only place that is like (1, 0)
    maps[0, 1, 3, 0] = 1.0
    with torch.no_grad():
        made.vectors.copy_(torch.eye(2).repeat(POINTS // 2, 1))
    points = made.points(maps)[0]
    torch.testing.assert_close(points[0], torch.tensor([6.5 / 4 - 1, 1.5 / 2 - 1]))
    torch.testing.assert_close(points[1], torch.tensor([0.5 / 4 - 1, 3.5 / 2 - 1]))


def test_the_same_seed_gives_the_same_regressor_and_leaves_torchs_own_generator_alone(monkeypatch):
    monkeypatch.setattr(virtual_keypoints, "EPOCHS", 2)
    maps, landmarks = torch.randn(30, 3, 4, 4), torch.rand(30, 5, 2)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one, two, other = (fit(maps, landmarks, seed=seed)(maps) for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_map_is_the_least_squares_one():
    maps, landmarks = torch.randn(300, 3, 4, 4), torch.rand(300, 2, 2) - 0.5
    made = fit(maps, landmarks, seed=0)
    inputs = made.inputs(maps).double().numpy()
    for place in range(2):
        best = np.linalg.lstsq(inputs[place], landmarks[:, place].double().numpy(), rcond=None)[0]
        errors = [
            np.square(inputs[place] @ weights - landmarks[:, place].numpy()).mean()
            for weights in (best, made.weights[place].numpy())
        ]
        assert errors[1] == pytest.approx(errors[0], rel=0.01)


def test_it_does_not_matter_how_long_vectors_are():
    maps, landmarks = torch.randn(120, 3, 4, 4), torch.rand(120, 5, 2)
    one, long = fit(maps, landmarks, seed=0), fit(64 * maps, landmarks, seed=0)
    torch.testing.assert_close(long(64 * maps), one(maps), rtol=1e-3, atol=1e-3)


def test_learning_helps(monkeypatch):
    data = Data()
    train, test = (collect(Moves(), data, split, CPU) for split in ("train", "test"))

    def error():
        found = fit(*train, seed=0)(test[0])
        return float((found - test[1]).norm(dim=-1).mean())

    learned = error()
    monkeypatch.setattr(virtual_keypoints, "RATE", 1e-9)
    assert learned < error()


def test_large_maps_are_averaged_down_and_bad_ones_named():
    class Large(Method):
        def embedding(self, image):
            return torch.ones(len(image), 2, 64, 64)

    assert collect(Large(), Data((10, 5)), "test", CPU)[0].shape == (5, 2, 32, 32)

    class Bad(Method):
        def embedding(self, image):
            return torch.full((len(image), 2, 4, 4), torch.nan)

    with pytest.raises(ValueError, match="not finite for 5 of 5 pictures of split 'test'"):
        collect(Bad(), Data((10, 5)), "test", CPU)


def test_the_field_protocol_hands_vectors_over(monkeypatch):
    monkeypatch.setattr(virtual_keypoints, "EPOCHS", 1)
    result = field.evaluate(Still(), Data((20, 20)), device=CPU, seed=0)
    assert set(result.metrics) == {"nme_virtual"}


def test_without_vectors_it_does_not_apply():
    with pytest.raises(NotApplicableError, match="Zero has no dense vectors"):
        virtual_keypoints.evaluate(Zero(), Data(), device=CPU, seed=0)
