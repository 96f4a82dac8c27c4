"""The reconstruction protocol: golden numbers, views, chains, and who cannot be scored."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import METRICS
from benchmarks.protocols import reconstruction
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.reconstruction import VIEWS, by_view, chain_deviation, evaluate
from datamodules.interface import ArrayDataset
from lightning_modules.interface import Method


def errors_and_views(count=40, seed=0):
    rng = np.random.default_rng(seed)
    views = np.repeat(np.array(list(VIEWS), dtype=np.float32), count)
    return 60 + 2 * np.abs(views) + rng.gamma(4, 5, len(views)), views


GOLDEN = {
    "msre_m30": 140.0266,
    "msre_m15": 107.4955,
    "msre_0": 79.99511,
    "msre_p15": 107.9761,
    "msre_p30": 140.9984,
    "msre": 115.2983,
    "msre_turned_ratio": 1.756514,
}


def test_version_one_gives_these_numbers():
    assert reconstruction.VERSION == 1
    result = by_view(*errors_and_views())
    assert result.metrics == pytest.approx(GOLDEN, rel=1e-5)
    assert set(result.intervals) == set(GOLDEN)
    for name, (low, high) in result.intervals.items():
        assert low < GOLDEN[name] < high
    assert set(GOLDEN) <= set(METRICS)


def test_the_mean_over_views_draws_from_every_view_by_itself():
    errors, views = errors_and_views()
    parts = [errors[views == view] for view in VIEWS]
    deviation = np.sqrt(sum(part.var() / len(part) for part in parts)) / len(parts)
    low, high = by_view(errors, views).intervals["msre"]
    assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.1)


def test_views_count_alike_however_many_pictures_they_have():
    errors, views = errors_and_views()
    keep = (views != 30) | (np.arange(len(views)) % 2 == 0)
    fewer = by_view(errors[keep], views[keep]).metrics
    assert fewer["msre"] == pytest.approx(np.mean([fewer[f"msre_{v}"] for v in VIEWS.values()]))


def test_another_view_or_a_missing_one_is_refused():
    errors, views = errors_and_views()
    with pytest.raises(ValueError, match=r"have views \[-30, -15, 0, 15\]"):
        by_view(errors[views < 30], views[views < 30])
    with pytest.raises(ValueError, match="45"):
        by_view(np.append(errors, 1), np.append(views, 45))


def test_the_deviation_over_chains_is_that_of_the_mean_over_views():
    """Against 4,000 simulated tries of the whole table."""
    rng = np.random.default_rng(0)
    counts = {-30: 40, -15: 40, 0: 60, 15: 40, 30: 20}
    sigma = {-30: 3.0, -15: 2.0, 0: 1.0, 15: 2.0, 30: 3.0}
    tries = [rng.normal(0, sigma[v], (4000, n)).mean(1) for v, n in counts.items()]
    simulated = np.mean(tries, 0).std()
    views = np.repeat(list(counts), 3000)
    sample = np.stack([rng.normal(0, [sigma[v] for v in views]) for _ in range(3)])
    assert chain_deviation(sample, views, counts) == pytest.approx(simulated, rel=0.05)


class Data:
    """Pictures of one grey each, four a view."""

    labels = frozenset({"view"})

    def __init__(self):
        self.grey = np.linspace(40, 200, 20).astype(np.uint8)
        images = np.broadcast_to(self.grey[:, None, None, None], (20, 8, 8, 3)).copy()
        self.set = ArrayDataset(images, {"view": np.repeat(np.float32(list(VIEWS)), 4)})

    def eval_dataloader(self, split, batch_size):
        assert split == "test"
        return [self.set.__getitems__(range(start, start + 5)) for start in (0, 5, 10, 15)]

    def to_batch(self, batch, device):
        return batch | {"image": batch["image"].float() / 255}


class Dark(Method):
    """Paints everything a tenth darker; by chain, a little more so."""

    def reconstruct(self, image):
        return image - 0.1


class DarkByChance(Dark):
    def reconstruct_by_chain(self, image, chain):
        return image - 0.1 * (1 + chain)


def run(method):
    return evaluate(method, Data(), device=torch.device("cpu"), seed=0)


def test_the_error_is_a_sum_over_pixels_and_channels():
    result = run(Dark())
    assert result.metrics["msre_m30"] == pytest.approx(8 * 8 * 3 * 0.01, rel=1e-4)
    assert "msre_chain_sd" not in result.metrics
    arrays = result.arrays
    assert arrays["view_images"].shape == arrays["view_rebuilt"].shape == (5, 2, 8, 8, 3)
    assert arrays["view_errors"] == pytest.approx(np.full((5, 2), 1.92), rel=1e-4)
    assert arrays["view_images"][4, 0, 0, 0, 0] == Data().grey[16]


def test_chains_give_a_deviation():
    found = run(DarkByChance()).metrics["msre_chain_sd"]
    errors = 192 * np.array([0.1, 0.2, 0.3]) ** 2
    assert found == pytest.approx(np.sqrt(errors.var(ddof=1) / 4 / 5), rel=1e-4)


def test_who_does_not_reconstruct_is_not_scored_and_who_paints_nan_fails():
    with pytest.raises(NotApplicableError, match="Method does not reconstruct"):
        run(Method())

    class Broken(Method):
        def reconstruct(self, image):
            return image * float("nan")

    with pytest.raises(ValueError, match="Broken painted values that are not finite"):
        run(Broken())


class Viewless(Data):
    """The same pictures, grey, of a dataset without views; some heads are turned all the same."""

    labels = frozenset()

    def __init__(self):
        super().__init__()
        images = np.broadcast_to(self.grey[:, None, None, None], (20, 8, 8, 1)).copy()
        self.set = ArrayDataset(images, {"view": np.linspace(-40, 40, 20, dtype=np.float32)})


def test_without_views_the_error_is_the_mean_over_all_pictures():
    class DarkByRow(DarkByChance):
        """The lighter a picture, the worse."""

        def reconstruct(self, image):
            return image - 0.1 * image.mean((1, 2, 3), keepdim=True)

    cpu = torch.device("cpu")
    result = evaluate(DarkByRow(), Viewless(), device=cpu, seed=0)
    assert set(result.metrics) == {"msre", "msre_chain_sd"} and set(result.intervals) == {"msre"}
    errors = 64 * np.square(0.1 * Viewless().grey / 255)
    assert result.metrics["msre"] == pytest.approx(errors.mean(), rel=1e-4)
    low, high = result.intervals["msre"]
    assert low < errors.mean() < high
    chains = 64 * np.array([0.1, 0.2, 0.3]) ** 2
    wanted = np.sqrt(chains.var(ddof=1) / 20)
    assert result.metrics["msre_chain_sd"] == pytest.approx(wanted, rel=1e-4)
    assert set(result.arrays) == {"test_images"}
    assert result.arrays["test_images"].shape == (10, 8, 8, 1)
    assert result.arrays["test_images"][:, 0, 0, 0].tolist() == Viewless().grey[:10].tolist()
