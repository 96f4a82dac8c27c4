"""The LightningModule: what its loss is made of, how it starts, what it says of missing weights."""

import logging

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lightning_modules.dlp.initialisation import sunflower
from lightning_modules.dlp.losses import chamfer_kl
from lightning_modules.dlp.module import DeepLatentParticles
from lightning_modules.layers.perceptual import (
    WEIGHTS_VARIABLE,
    MissingWeightsError,
    OrientedGradientLoss,
    VGGLoss,
    summed_squared_error,
)

SMALL = {
    "image_size": 64,
    "n_keypoints": 6,
    "n_proposals": 20,
    "channels": (8, 16, 16),
    "prior_channels": (4, 8),
    "hidden": (32, 16),
    "point_channels": (16, 16),
    "decoder_channels": (16, 8),
    "decoder_last": 8,
}


def batch(n: int = 4) -> dict[str, torch.Tensor]:
    return {"image": torch.rand(n, 3, 64, 64), "index": torch.arange(n)}


def test_the_loss_is_the_weighted_sum_of_its_parts():
    method = DeepLatentParticles(**SMALL, beta_kl=0.3, kl_balance=0.01)
    parts = method.losses(batch())
    kl = parts["position_kl"] + 0.01 * parts["feature_kl"]
    torch.testing.assert_close(parts["loss"], parts["reconstruction"] + 0.3 * kl)


def test_the_background_particle_adds_its_share_to_the_chamfer_kl():
    found = {}
    for included in (True, False):
        torch.manual_seed(0)
        method = DeepLatentParticles(**SMALL, background_in_chamfer=included).eval()
        image = torch.rand(4, 3, 64, 64)
        particles, proposals = (
            method.network.encode(image, sample=False)[0],
            method.network.prior(image),
        )
        last = slice(None) if included else slice(-1)
        wanted = chamfer_kl(*(v[:, last] for v in particles.position), proposals, 0.1)
        found[included] = method.losses({"image": image, "index": torch.arange(4)})["position_kl"]
        torch.testing.assert_close(found[included], wanted)
    assert not torch.equal(found[True], found[False])


def test_the_gradient_loss_takes_the_pixels_place_and_enters_no_checkpoint():
    method = DeepLatentParticles(**SMALL, reconstruction="gradients")
    assert not any("directions" in name for name in method.state_dict())
    assert {key.split(".")[0] for key in method.state_dict()} == {"network"}
    image, painted = torch.rand(2, 2, 3, 64, 64)
    wanted = OrientedGradientLoss()(painted, image)
    torch.testing.assert_close(method.reconstruction_loss(painted, image), wanted)


def test_the_weight_of_the_kl_follows_the_reconstruction_loss():
    assert DeepLatentParticles(**SMALL).beta_kl == 0.1
    assert DeepLatentParticles(**SMALL, reconstruction="gradients").beta_kl == 0.1
    assert DeepLatentParticles(**SMALL, beta_kl=7.0).beta_kl == 7.0


def test_proposals_come_from_the_other_view_where_there_is_one():
    method = DeepLatentParticles(**SMALL).eval()
    seen = []
    method.network.prior.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    one = batch()
    pair = torch.rand_like(one["image"])
    method.losses(one)
    method.losses(one | {"pair": pair})
    assert torch.equal(seen[0], one["image"])
    assert torch.equal(seen[1], pair)


def test_spread_particles_start_apart_and_certain():
    torch.manual_seed(0)
    method = DeepLatentParticles(**SMALL, initialisation="spread").eval()
    points = method.keypoints(torch.rand(2, 3, 64, 64))
    wanted = sunflower(6, 0.7, like=points.mean)
    assert (points.mean - wanted).abs().max() < 0.15
    assert points.log_variance.mean().item() == pytest.approx(-8, abs=0.5)
    paper = DeepLatentParticles(**SMALL).eval().keypoints(torch.rand(2, 3, 64, 64))
    assert paper.log_variance.mean().item() == pytest.approx(0, abs=0.5)


def test_a_frozen_prior_does_not_learn():
    method = DeepLatentParticles(**SMALL, train_prior=False)
    method.losses(batch())["loss"].backward()
    assert all(p.grad is None for p in method.network.prior.parameters())


def fit(method: DeepLatentParticles, epochs: int, data: list) -> pl.Trainer:
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, DataLoader(data, batch_size=None))
    return trainer


def test_training_explains_pictures_better_than_their_mean():
    pl.seed_everything(0)
    rows = torch.linspace(0, 1, 64)
    pictures = torch.stack(
        [(rows[:, None] * a + rows[None] * (1 - a)).expand(3, -1, -1) for a in torch.rand(16)]
    )
    method = DeepLatentParticles(
        **SMALL, initialisation="spread", learning_rate=3e-3, schedule="trapezoid", beta_kl=0.001
    )
    data = [{"image": pictures[i::2], "index": torch.arange(8)} for i in range(2)]
    fit(method, 40, data)
    method.eval()
    error = (method.reconstruct(pictures) - pictures).square().mean()
    assert error < 0.5 * pictures.var(0).mean()


@pytest.mark.parametrize(("schedule", "last"), [("trapezoid", 0.0), ("multistep", 1e-4)])
def test_schedules_end_where_they_should(schedule, last):
    method = DeepLatentParticles(
        **SMALL, schedule=schedule, learning_rate=1e-2, milestones=(1, 2), wide_layer_rate=0.1
    )
    trainer = fit(method, 2, [batch(), batch()])
    rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
    assert rates[0] == pytest.approx(last, abs=1e-9)
    assert rates[1] == pytest.approx(0.1 * last, abs=1e-9)


def test_the_wide_layers_are_the_two_that_read_whole_heat_maps():
    method = DeepLatentParticles(**SMALL, wide_layer_rate=0.02)
    groups = method.configure_optimizers()["optimizer"].param_groups
    assert [p.shape[1] for p in groups[1]["params"]] == [6 * 256, 6 * 256]
    assert sum(len(g["params"]) for g in groups) == len(list(method.parameters()))


def test_codes_decode_to_the_reconstruction():
    method = DeepLatentParticles(**SMALL).eval()
    image = torch.rand(2, 3, 64, 64)
    codes = method.encode(image)
    assert codes.where.shape == (2, 6, 2)
    assert codes.what.shape == (2, 7, 10)
    assert method.reconstruct(image).shape == image.shape
    torch.testing.assert_close(codes.where, method.keypoints(image).mean)


def test_without_weights_vgg_is_refused_and_the_alternative_is_said_aloud(monkeypatch, caplog):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    with pytest.raises(MissingWeightsError, match=WEIGHTS_VARIABLE):
        DeepLatentParticles(**SMALL, reconstruction="vgg")
    with caplog.at_level(logging.WARNING):
        settled = DeepLatentParticles.resolve_arguments({"reconstruction": "vgg_or_mse"})
    assert settled == {"reconstruction": "mse"}
    assert "reconstruction loss is MSE" in caplog.text
    assert DeepLatentParticles.resolve_arguments({"n_keypoints": 3}) == {"n_keypoints": 3}


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """A file with VGG16's real layout; the weights are random, the loss does not care."""
    from torchvision.models import vgg16

    torch.manual_seed(0)
    state = {k: v for k, v in vgg16(weights=None).state_dict().items() if "features." in k}
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pt"
    torch.save(state, path)
    return path


def test_the_vgg_loss_adds_five_feature_maps_and_never_learns(monkeypatch, vgg_file):
    loss = VGGLoss(vgg_file)
    image, other = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64, requires_grad=True)
    sizes = [tuple(a.shape[1:]) for a in loss._activations(image)]
    assert sizes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 2, 2)]
    assert all((a >= 0).all() for a in loss._activations(image))
    value = loss(other, image)
    value.backward()
    assert other.grad is not None
    assert value > summed_squared_error(other, image)
    assert all(p.grad is None for p in loss.parameters())
    assert not loss.train().training
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(vgg_file))
    method = DeepLatentParticles(**SMALL, reconstruction="vgg_or_mse")
    assert method.beta_kl == 40
    assert not any("vgg" in name or "features.0" in name for name in method.state_dict())


def test_a_file_that_holds_something_else_is_named(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(MissingWeightsError, match=r"other\.pt holds no VGG16"):
        VGGLoss(tmp_path / "other.pt")
