"""The protocol of objects: golden numbers, what each one means, and who gets which."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.image import peak_signal_noise_ratio

from benchmarks.metrics import METRICS
from benchmarks.object_pictures import coloured, draw_objects
from benchmarks.protocols import objects as protocol
from benchmarks.protocols.fidelity import fidelity, lpips_network, psnr
from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.object_boxes import (
    Detections,
    average_precision,
    detect,
    suppress,
)
from benchmarks.protocols.object_matching import (
    RADIUS,
    Objects,
    inside,
    match,
    objects_of,
    to_nearest,
)
from benchmarks.protocols.objects import Seen, evaluate, kept_by_variance, score
from benchmarks.protocols.weighted import area_under_roc, estimate, rank_correlation, ratio
from lightning_modules.controls.grid import GridParticles
from lightning_modules.interface import Keypoints, Method
from lightning_modules.layers.perceptual import WEIGHTS_VARIABLE, MissingWeightsError
from tests.benchmarks.protocols.fake_scenes import HALF, Knowing, Scenes, squares

GOLDEN = {
    "obj_recall": 89.24731,
    "obj_precision": 25.9375,
    "obj_error": 5.736535,
    "obj_on": 34.6875,
    "obj_particles": 1.193548,
    "obj_recall_var": 66.66667,
    "obj_precision_var": 39.24051,
    "obj_on_var": 48.73418,
    "obj_variance_rho": 0.5776189,
    "obj_variance_auc": 73.11522,
    "obj_presence_auc": 85.20195,
    "obj_ap25": 47.15195,
    "obj_ap50": 17.18187,
}


@pytest.fixture(autouse=True)
def _no_vgg(monkeypatch):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)


def run(method, data):
    return evaluate(method, data, device=torch.device("cpu"), seed=0)


def made(pictures=40, particles=8):
    """Particles half on objects, more certain there, and the objects; of a fixed seed."""
    rng = np.random.default_rng(1)
    centre = squares(pictures)
    box = np.concatenate([centre - HALF, centre + HALF], -1)
    there = np.isfinite(box).all(-1)
    position = rng.uniform(-1, 1, (pictures, particles, 2))
    position[:, :3] = np.where(there[..., None], centre + rng.normal(0, 0.1, centre.shape), 0.9)
    objects = objects_of(box, centre, there.astype(float))
    near = to_nearest(position, objects)
    unsure = -10 + 4 * np.minimum(near, 2) + rng.normal(0, 2, near.shape)
    presence = np.clip(1 - near + rng.normal(0, 0.3, near.shape), 0, 1)
    return Seen(position, unsure, presence, np.full_like(position, 2 * HALF)), objects


def test_version_one_gives_these_numbers():
    assert protocol.VERSION == 1
    result = score(*made())
    assert result.metrics == pytest.approx(GOLDEN, rel=1e-5)
    assert set(result.intervals) == set(GOLDEN) <= set(METRICS)
    for name, (low, high) in result.intervals.items():
        assert low < GOLDEN[name] < high
    assert GOLDEN["obj_precision_var"] > GOLDEN["obj_precision"]


def test_who_knows_the_scene_is_right_about_everything():
    scenes = Scenes()
    result = run(Knowing(scenes), scenes)
    objects = int(np.isfinite(scenes.centres).all(-1).sum())
    particles = 5 * len(scenes.centres)
    wanted = {
        "obj_recall": 100,
        "obj_precision": 100 * objects / particles,
        "obj_error": 0,
        "obj_on": 100 * objects / particles,
        "obj_particles": 1,
        "obj_recall_var": 100,
        "obj_precision_var": 100,
        "obj_on_var": 100,
        "obj_presence_auc": 100,
        "obj_variance_auc": 100,
        "obj_ap25": 100,
        "obj_ap50": 100,
    }
    assert {name: result.metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-4)
    assert result.metrics["psnr"] == pytest.approx(40, abs=1e-3)
    assert result.metrics["ssim"] > 0.99
    assert 0.5 < result.metrics["obj_variance_rho"] <= 1
    assert result.metrics["val_log_variance"] == pytest.approx(
        -4 - 4 * objects / particles, rel=1e-6
    )
    assert set(result.metrics) <= set(METRICS)
    assert "lpips" not in result.metrics


@pytest.mark.parametrize(("shift", "recall"), [(RADIUS - 0.01, 100), (RADIUS + 0.01, 0)])
def test_a_match_is_within_the_radius(shift, recall):
    scenes = Scenes()
    found = run(Knowing(scenes, shift=shift), scenes).metrics
    assert found["obj_recall"] == recall
    if recall:
        assert found["obj_error"] == pytest.approx(50 * shift, abs=1e-3)
    assert found["obj_on"] > 0  # within the boxes all the same, which are half as wide again


def test_a_matching_finds_as_many_pairs_as_there_can_be():
    """The nearest particle of the first object is all that the second has."""
    objects = objects_of(
        np.array([[[-0.1, -0.1, 0.1, 0.1], [0.1, -0.1, 0.3, 0.1]]]),
        np.array([[[0.0, 0.0], [0.2, 0.0]]]),
        np.ones((1, 2)),
    )
    position = np.array([[[0.05, 0.0], [-0.15, 0.0]]])
    found = match(position, np.ones((1, 2), dtype=bool), objects)
    assert found.hits.tolist() == [2] and found.distance[0] == pytest.approx(0.3)
    alone = match(position, np.array([[True, False]]), objects)
    assert (alone.hits[0], alone.particles[0], alone.objects[0]) == (1, 1, 2)
    assert alone.distance[0] == pytest.approx(0.05)


def test_objects_hardly_in_view_are_absent():
    box, centre = np.tile([-0.1, -0.1, 0.1, 0.1], (1, 4, 1)), np.zeros((1, 4, 2))
    box[0, 2] = np.nan
    objects = objects_of(box, centre, np.array([[1.0, 0.24, 1.0, np.nan]]))
    assert objects.counts.tolist() == [[True, False, False, False]]
    at = np.zeros((1, 1, 2))
    assert inside(at, objects).tolist() == [[[True, False, False, False]]]
    nobody = Objects(box, centre, np.zeros((1, 4), dtype=bool))
    assert np.isinf(to_nearest(at, nobody)).all()


def test_equally_certain_particles_are_all_kept():
    assert kept_by_variance(np.zeros((3, 4))).all()
    assert kept_by_variance(np.array([[0.0, 1.0, 5.0]])).tolist() == [[True, True, False]]


def test_average_precision_by_hand():
    """Hits at ranks 1 and 3 of three objects: 1/3 at precision 1, 1/3 at 2/3."""
    found = Detections(
        np.array([0, 0, 1, 1]),
        np.array([0.2, 0.9, 0.5, 0.1]),
        np.array([[True, True, False, False]]),
    )
    of = average_precision(found, 0, np.array([2, 1]))
    assert of(np.ones(2)) == pytest.approx(100 * (1 / 3 + 2 / 9))
    assert of(np.array([2.0, 0.0])) == pytest.approx(100)  # the first picture twice: all found
    assert np.isnan(of(np.zeros(2)))


def test_weights_are_repetitions():
    """Against scikit-learn and SciPy on arrays whose pictures stand there so many times."""
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, (2, 30, 4)).astype(float)  # with ties
    label = rng.random((30, 4)) < 0.3
    weights = rng.integers(0, 3, 30)
    again = np.repeat(np.arange(30), weights)
    auc = 100 * roc_auc_score(label[again].ravel(), one[again].ravel())
    assert area_under_roc(one, label)(weights.astype(float)) == pytest.approx(auc)
    other[0, 0] = np.inf
    finite = np.isfinite(other[again])
    rho = stats.spearmanr(one[again][finite], other[again][finite]).statistic
    assert rank_correlation(one, other)(weights.astype(float)) == pytest.approx(rho)
    value, (low, high) = estimate(ratio(one.sum(1), np.full(30, 4)), 30)
    deviation = one.mean(1).std() / np.sqrt(30)
    assert value == pytest.approx(one.mean())
    assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.1)


def test_a_second_box_on_an_object_is_no_hit():
    box = np.array([[[-0.5, -0.5, 0.5, 0.5]]])
    objects = objects_of(box, np.zeros((1, 1, 2)), np.ones((1, 1)))
    boxes = np.array([[[-0.5, -0.5, 0.5, 0.5], [-0.5, -0.5, 0.5, 0.3], [0.5, 0.5, 1.0, 1.0]]])
    scores = np.array([[1.0, 2.0, 3.0]])
    every = np.ones((1, 3), dtype=bool)
    found = detect(boxes, scores, every, objects, [0.5, 0.9])
    assert found.score.tolist() == [3, 2, 1]
    assert found.hit.tolist() == [[False, True, False], [False, False, True]]
    assert suppress(boxes, scores, every).tolist() == [[False, True, True]]
    assert suppress(boxes, scores, np.array([[True, False, False]])).sum() == 1


class Points(Method):
    """Points without variance."""

    def keypoints(self, image):
        return Keypoints(image.new_zeros(len(image), 2, 2), None)


class Grey(Method):
    """A picture, and nothing of where things are."""

    def reconstruct(self, image):
        return torch.full_like(image, 0.5)


def test_a_method_gets_the_numbers_it_can():
    scenes = Scenes()
    points = run(Points(), scenes)
    assert set(points.metrics) == {
        "obj_recall",
        "obj_precision",
        "obj_on",
        "obj_particles",
        *({"obj_error"} & set(points.metrics)),
    }
    grey = run(Grey(), scenes)
    assert set(grey.metrics) == {"psnr", "ssim"}
    image = scenes.to_batch(scenes.set.__getitems__(range(24)), "cpu")["image"]
    expected = peak_signal_noise_ratio(torch.full_like(image, 0.5), image, data_range=1.0)
    assert grey.metrics["psnr"] == pytest.approx(float(expected), rel=1e-6)
    low, high = grey.intervals["psnr"]
    assert low < grey.metrics["psnr"] < high
    with pytest.raises(NotApplicableError, match="neither points nor reconstructions"):
        run(Method(), scenes)
    with pytest.raises(ValueError, match="non-finite particles' position"):
        run(Knowing(scenes, nan=True), scenes)


def test_of_scenes_nobody_has_described_there_is_fidelity_alone():
    scenes = Scenes(known=False)
    result = run(Knowing(scenes), scenes)
    assert set(result.metrics) == {"psnr", "ssim", "val_log_variance"}
    bare = Scenes()
    del bare.set.labels["object_visible"]
    with pytest.raises(ValueError, match="object_visible in test batches"):
        run(Knowing(scenes), bare)


def test_a_grid_is_everywhere_and_knows_nothing():
    scenes = Scenes()
    found = run(GridParticles(image_size=32), scenes).metrics
    assert {"obj_variance_auc", "obj_presence_auc", "obj_variance_rho"}.isdisjoint(found)
    assert found["obj_precision_var"] == found["obj_precision"]
    assert found["obj_recall"] < 100 and found["obj_ap50"] < 20
    assert 10 < found["psnr"] < 40


def test_a_painted_value_out_of_range_counts_in_the_squared_error_alone():
    image = torch.ones(2, 3, 16, 16)
    found = fidelity(image + 0.5, image, None)
    assert found["mse"].tolist() == pytest.approx([0.25, 0.25])
    assert found["ssim"].tolist() == pytest.approx([1, 1])
    assert psnr(0.02) == pytest.approx(-10 * np.log10(0.02))


def test_lpips_needs_the_users_weights(tmp_path, monkeypatch):
    assert lpips_network() is None
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "none.pt"))
    with pytest.raises(MissingWeightsError, match="no such file"):
        lpips_network()
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "half.pt")
    with pytest.raises(MissingWeightsError, match="holds no VGG16"):
        lpips_network(tmp_path / "half.pt")


def test_lpips_is_of_the_given_weights(tmp_path):
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    layers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    state = {}
    for layer, (before, after) in zip(layers, pairwise(widths), strict=True):
        weight = torch.zeros(after, before, 3, 3)
        weight[:, 0, 1, 1] = 1  # every channel hands on the first
        state[f"features.{layer}.weight"] = weight
        state[f"features.{layer}.bias"] = torch.zeros(after)
    torch.save(state, tmp_path / "vgg16.pt")
    network = lpips_network(tmp_path / "vgg16.pt")
    image = torch.linspace(0, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    assert fidelity(image, image, network)["lpips"].tolist() == [0, 0]
    # All channels alike: only where a pixel is negative to the network do its directions differ.
    dark = fidelity(torch.zeros_like(image), torch.full_like(image, 0.9), network)["lpips"]
    heads = [float(lin.model[-1].weight.sum()) for lin in network.lins]
    per_layer = [h / w for h, w in zip(heads, (64, 128, 256, 512, 512), strict=True)]
    assert dark.tolist() == pytest.approx([sum(per_layer)] * 2, rel=1e-4)


def test_pictures_of_scenes(tmp_path):
    scenes = Scenes()
    arrays = run(Knowing(scenes), scenes).arrays
    assert arrays["test_images"].shape == (8, 32, 32, 3)
    assert arrays["object_background"].max() == 61
    np.testing.assert_allclose(arrays["object_rebuilt"], arrays["test_images"] - 3.0, atol=1)
    sheet = draw_objects(arrays, "a cell")
    path = sheet.save(tmp_path / "objects.png")
    assert path.stat().st_size > 10_000
    full, grey = sheet.height, draw_objects(run(Grey(), scenes).arrays, "a cell").height
    assert full > 2 * grey
    assert draw_objects({"test_images": arrays["test_images"]}, "a cell") is None


def test_masks_are_coloured_by_particle():
    masks = np.zeros((2, 4, 4))
    masks[0, 0, 0] = masks[1, 3, 3] = 1
    found = coloured(masks)
    assert found[1, 1].tolist() == [38, 38, 38]
    assert np.abs(found[0, 0].astype(int) - found[3, 3]).max() > 100
