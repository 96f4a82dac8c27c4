"""The object model's module: phases, what it can do, the ablation's position priors."""

import inspect

import pytest
import torch

from lightning_modules.dlp.losses import matched_kl
from lightning_modules.dlp.module import DeepLatentParticles
from lightning_modules.dlp.objects import DLPObjects
from lightning_modules.interface import (
    HasCodes,
    HasDecoder,
    HasKeypoints,
    HasParticles,
    HasReconstruction,
)
from lightning_modules.layers.perceptual import WEIGHTS_VARIABLE, summed_squared_error
from tests.lightning_modules.dlp.test_module import SMALL as MASKED
from tests.lightning_modules.dlp.test_module import fit

SMALL = MASKED | {"patch_size": 8, "feature_dim": 4, "glimpse_channels": (4, 4, 8)}
SECOND = SMALL | {
    "learned_size": True,
    "order": "depth",
    "background_sees": "feature",
    "position_from": "proposals",
    "norm": "group",
    "proposal_filter": "variance",
}


def batch(n: int = 4) -> dict[str, torch.Tensor]:
    return {"image": torch.rand(n, 3, 64, 64), "index": torch.arange(n)}


def test_it_can_do_what_protocols_ask_for():
    method = DLPObjects(**SMALL)
    for capability in (HasParticles, HasKeypoints, HasReconstruction, HasCodes, HasDecoder):
        assert isinstance(method, capability), capability
    masked = DeepLatentParticles(**MASKED)
    assert isinstance(masked, HasParticles) and not isinstance(masked, HasDecoder)


@pytest.mark.parametrize("arguments", [SMALL, SECOND], ids=["paper", "second"])
def test_codes_and_particles_paint_the_reconstruction(arguments):
    torch.manual_seed(0)
    method = DLPObjects(**arguments).eval()
    image = torch.rand(2, 3, 64, 64)
    codes, particles = method.encode(image), method.particles(image)
    extras = 3 if arguments is SECOND else 0
    assert codes.where.shape == (2, 6, 2 + extras) and codes.what.shape == (2, 7, 5)
    torch.testing.assert_close(method.decode(codes), method.reconstruct(image))
    torch.testing.assert_close(method.render(particles), method.reconstruct(image))
    torch.testing.assert_close(particles.position, method.keypoints(image).mean)
    masks = method.masks(particles)
    assert masks.shape == (2, 6, 64, 64)
    assert masks.min() >= 0 and masks.sum(1).max() <= 1 + 1e-5


@pytest.mark.parametrize("arguments", [SMALL, SECOND], ids=["paper", "second"])
def test_what_paints_changes_pixels_and_nothing_else_does(arguments):
    torch.manual_seed(0)
    method = DLPObjects(**arguments, initialisation="spread").eval()
    particles = method.particles(torch.rand(2, 3, 64, 64))
    before = method.render(particles)
    for name, value in particles._asdict().items():
        if value is None:
            continue
        after = method.render(particles._replace(**{name: value * 0.7 + 0.1}))
        assert (not torch.equal(after, before)) == (name in method.painted_by), name


@pytest.mark.parametrize("arguments", [SMALL, SECOND], ids=["paper", "second"])
def test_spread_features_start_apart_and_certain(arguments):
    torch.manual_seed(0)
    pictures = torch.rand(16, 3, 1, 1).expand(-1, -1, 64, 64).contiguous()
    spread = {}
    for start in ("paper", "spread"):
        method = DLPObjects(**arguments, initialisation=start).eval()
        posterior, _ = method.network.encode(pictures, sample=False)
        spread[start] = posterior.feature.mean[:, :-1].std(0).mean()
        if start == "spread":
            for found in (posterior.feature, posterior.extra):
                assert torch.all((found.log_variance + 4).abs() < 1.5)
    assert spread["spread"] > 3 * spread["paper"]


def test_one_more_particle_is_painted_on_top_of_what_the_others_leave():
    torch.manual_seed(0)
    method = DLPObjects(**SMALL, initialisation="spread").eval()
    few = method.particles(torch.rand(2, 3, 64, 64))
    fields = ("position", "log_variance", "size", "feature", "presence")
    more = few._replace(
        **{name: torch.cat([getattr(few, name), getattr(few, name)[:, :1]], 1) for name in fields}
    )
    absent = more._replace(presence=torch.cat([few.presence, few.presence[:, :1] * 0], 1))
    torch.testing.assert_close(method.render(absent), method.render(few))
    moved = more.position.clone()
    moved[:, -1] = 0.6
    after = method.render(more._replace(position=moved))
    changed = (after - method.render(few)).abs().amax((0, 1)) > 1e-5
    rows, columns = changed.nonzero().unbind(1)
    assert changed.any() and rows.min() >= 64 * 0.8 - 9 and columns.min() >= 64 * 0.8 - 9
    with pytest.raises(ValueError, match="painted from 6 particles"):
        method.render(few._replace(**{name: getattr(few, name)[:, 1:] for name in fields}))
    with pytest.raises(ValueError, match="one of them is None"):
        method.render(few._replace(presence=None))


def test_masked_particles_paint_the_reconstruction_and_must_be_k():
    torch.manual_seed(0)
    method = DeepLatentParticles(**MASKED, initialisation="spread").eval()
    particles = method.particles(torch.rand(2, 3, 64, 64))
    before = method.render(particles)
    for name, value in particles._asdict().items():
        if value is not None:
            after = method.render(particles._replace(**{name: value * 0.7 + 0.1}))
            assert (not torch.equal(after, before)) == (name in method.painted_by), name
    with pytest.raises(ValueError, match="paints 6 particles, 5 are given"):
        method.render(
            particles._replace(position=particles.position[:, 1:], feature=particles.feature[:, 1:])
        )
    with pytest.raises(ValueError, match="with background and context"):
        method.render(particles._replace(context=None))


def phases(method: DLPObjects) -> list[set[str]]:
    """Which terms every step of two epochs of three batches has."""
    seen = []
    losses = method.losses

    def noted(batch):
        found = losses(batch)
        if method.training:
            seen.append(set(found))
        return found

    method.losses = noted
    fit(method, 2, [batch() for _ in range(3)])
    return seen


@pytest.mark.parametrize(
    ("arguments", "first"),
    [({"glimpse_phase": 1}, 3), ({"glimpse_phase": 2, "phases_in": "steps"}, 2)],
)
def test_glimpses_alone_are_painted_first(arguments, first):
    seen = phases(DLPObjects(**SMALL, noise_phase=0, **arguments))
    assert ["glimpses" in terms for terms in seen] == [True] * first + [False] * (6 - first)
    assert ["psnr" in terms for terms in seen] == [False] * first + [True] * (6 - first)


def test_presence_learns_after_the_noise():
    for noise, learns in ((9, False), (0, True)):
        method = DLPObjects(**SMALL, glimpse_phase=0, noise_phase=noise)
        method.losses(batch())["loss"].backward()
        assert (method.network.presence[-1].weight.grad is not None) == learns


def test_the_loss_is_the_weighted_sum_of_its_parts():
    method = DLPObjects(**SECOND, glimpse_phase=0, beta_kl=0.3, kl_balance=0.01)
    parts = method.losses(batch())
    kl = parts["position_kl"] + 0.01 * parts["feature_kl"]
    torch.testing.assert_close(parts["loss"], parts["reconstruction"] + 0.3 * kl)


@pytest.mark.parametrize("reconstruction", ["mse", "vgg_or_mse"])
def test_the_first_phase_compares_colours_with_glimpses(monkeypatch, reconstruction):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    torch.manual_seed(0)
    method = DLPObjects(**SMALL, reconstruction=reconstruction).eval()
    image = torch.rand(2, 3, 64, 64)
    posterior, drawn = method.network.encode(image, sample=False)
    painted = method.network.painter(drawn.features)[:, :, 1:]
    wanted = (painted - posterior.crops).square().sum() / 12
    torch.testing.assert_close(method._glimpse_loss(posterior, drawn), wanted)


@pytest.mark.parametrize("cls", [DLPObjects, DeepLatentParticles])
def test_the_ablations_have_another_position_prior_or_none(cls):
    torch.manual_seed(0)
    arguments = (SMALL if cls is DLPObjects else MASKED) | {"n_proposals": 6}
    one = batch()
    method = cls(**arguments, position_kl="matched").eval()
    method.hparams["position_kl"] = "matched"
    found = method.losses(one)
    torch.manual_seed(3)
    points = method.keypoints(one["image"])
    wanted = matched_kl(*points, method.network.prior(one["image"]), 0.1)
    torch.testing.assert_close(found["position_kl"], wanted)
    method = cls(**arguments, position_kl="none")
    found = method.losses(one)
    assert found["position_kl"].item() == 0
    found["loss"].backward()
    assert all(p.grad is None for p in method.network.prior.parameters())
    with pytest.raises(ValueError, match="n_keypoints 6 must equal n_proposals 7"):
        cls(**(arguments | {"n_proposals": 7}), position_kl="matched")
    # As many as there are particles, whichever way it is said.
    said = arguments | {"n_proposals": None, "position_kl": "matched"}
    assert cls.resolve_arguments(said)["n_proposals"] == arguments["n_keypoints"]
    assert cls(**said).network.prior.keep == arguments["n_keypoints"]
    assert cls.resolve_arguments({"n_proposals": None}) == {
        "n_proposals": inspect.signature(cls).parameters["n_keypoints"].default
    }


def test_training_paints_a_square_where_it_is():
    torch.manual_seed(0)
    pictures = torch.zeros(32, 3, 64, 64)
    pictures[:, 1:] = 1
    for n, (x, y) in enumerate(torch.randint(4, 48, (32, 2)).tolist()):
        pictures[n, :, y : y + 12, x : x + 12] = torch.tensor([0.8, 0.1, 0.1]).view(3, 1, 1)
    method = DLPObjects(
        **SMALL,
        initialisation="spread",
        learning_rate=3e-3,
        adam_epsilon=1e-8,
        schedule="trapezoid",
        beta_kl=0.001,
        glimpse_phase=10,
        noise_phase=20,
        phases_in="steps",
    )
    data = [{"image": pictures[i::4], "index": torch.arange(8)} for i in range(4)]
    fit(method, 30, data)
    method.eval()
    error = summed_squared_error(method.reconstruct(pictures), pictures)
    assert error < 0.85 * summed_squared_error(pictures.mean(0, keepdim=True), pictures)
