"""Eq. 22: what either side minimises, who learns from what, and the discriminator itself."""

import pytest
import pytorch_lightning as pl
import torch
from torch.func import grad, vmap
from torch.nn import functional as F

from lightning_modules.deformable.discriminator import Discriminator, gradient_penalty
from lightning_modules.deformable.module import AdversarialDeformableGenerator
from tests.lightning_modules.deformable.test_deformable import Faces, count, loader, made, trainer


def batch():
    return {"image": Faces().images[:4], "index": torch.arange(4)}


def logit_gradients(discriminator, image):
    return vmap(grad(lambda one: discriminator(one[None])[0]))(image)


def test_the_losses_are_those_of_eq_22_with_the_sign_of_r1_mended():
    model, given = made("adversarial", likelihood_weight=0.3, penalty_weight=7.0).train(), batch()
    parts = model.losses(given)
    image, probability = given["image"], lambda picture: model.discriminator(picture).sigmoid()
    codes = model.bank.read(given["index"])  # where the visit has moved them
    squares = (model.generators(codes).picture - image).square().sum((1, 2, 3)).mean()
    fake = model.generators(model.drawn(given["index"])).picture
    lengths = logit_gradients(model.discriminator, image).square().sum((1, 2, 3))
    wanted = {
        "likelihood": 0.3 * squares / (2 * 0.1**2),
        "adversarial": -probability(fake).log().mean(),
        "discriminator": -(1 - probability(fake)).log().mean()
        - probability(image).log().mean()
        + 7 / 2 * lengths.mean(),
        "r1": lengths.mean(),
        "d_real": model.discriminator(image).mean(),
        "d_fake": model.discriminator(fake).mean(),
    }
    for name, value in wanted.items():
        torch.testing.assert_close(parts[name], value, msg=name)
    torch.testing.assert_close(
        parts["loss"], wanted["likelihood"] + wanted["adversarial"] + wanted["discriminator"]
    )
    assert {"without_field", "displacement", "reconstruction", "code_rms"} <= parts.keys()


def test_no_side_learns_from_the_others_loss():
    model = made("adversarial").train()
    parts = model.losses(batch())

    def moved(loss, module):
        found = torch.autograd.grad(
            loss, list(module.parameters()), retain_graph=True, allow_unused=True
        )
        return {slope is not None and bool(slope.abs().sum() > 0) for slope in found}

    for name in ("likelihood", "adversarial"):
        assert moved(parts[name], model.generators) == {True}
        assert moved(parts[name], model.discriminator) == {False}
    assert moved(parts["discriminator"], model.discriminator) == {True}
    assert moved(parts["discriminator"], model.generators) == {False}


def test_a_step_is_that_of_two_optimisers_in_turn(tmp_path):
    rates = {"learning_rate": 3e-3, "discriminator_rate": 2e-3, "betas": (0.5, 0.9)}
    together, apart = made("adversarial", **rates), made("adversarial", **rates).train()
    apart.noise_level = lambda: 0.15
    painting, judging = apart.generators, apart.discriminator
    first = torch.optim.Adam(painting.parameters(), lr=3e-3, betas=(0.5, 0.9))
    second = torch.optim.Adam(judging.parameters(), lr=2e-3, betas=(0.5, 0.9))
    for given in loader():
        fake = painting(apart.drawn(given["index"])).picture.detach()
        parts = apart.losses(given)
        first.zero_grad()
        (parts["likelihood"] + parts["adversarial"]).backward()
        first.step()
        second.zero_grad()  # after the generators' step, on what they painted before it
        r1 = logit_gradients(judging, given["image"]).square().sum((1, 2, 3)).mean()
        told = F.softplus(judging(fake)).mean() + F.softplus(-judging(given["image"])).mean()
        (told + 5 * r1).backward()
        second.step()
    run = trainer(tmp_path, 1)
    run.fit(together, loader())
    assert run.global_step == 3
    before = made("adversarial", **rates)
    for (name, a), b, start in zip(
        together.named_parameters(), apart.parameters(), before.parameters(), strict=True
    ):
        assert not torch.equal(a, start), name
        torch.testing.assert_close(a, b, msg=name)


def follow(model, side, loss, watched, steps):
    """The values of ``watched`` while one side alone learns from a loss."""
    given, optimizer = batch(), torch.optim.Adam(side.parameters(), lr=3e-3)
    found = []
    for _ in range(steps):
        parts = model.losses(given)
        found.append(parts[watched].item())
        optimizer.zero_grad()
        parts[loss].backward()
        optimizer.step()
    return found


def test_where_the_penalty_dominates_the_discriminator_becomes_flat():
    model = made("adversarial", penalty_weight=1e4)
    lengths = follow(model, model.discriminator, "discriminator", "r1", 12)
    assert lengths[1] < lengths[0] and lengths[-1] < 0.5 * lengths[0]


def test_the_discriminator_learns_to_tell_real_pictures_from_painted_ones():
    model = made("adversarial", penalty_weight=0.1)
    follow(model, model.discriminator, "discriminator", "loss", 25)
    parts = model.losses(batch())
    assert parts["d_real"] > 0.5 and parts["d_fake"] < -0.5


def test_generators_learn_to_deceive():
    model = made("adversarial")
    held = follow(model, model.generators, "adversarial", "d_fake", 20)
    assert held[-1] > held[0] + 0.1


def test_draws_from_the_prior_are_new_at_every_visit_and_the_same_in_any_batch(monkeypatch):
    model, index = made("adversarial"), torch.arange(2000)
    codes = model.drawn(index)
    assert codes.mean().abs() < 0.03 and abs(codes.std() - 1) < 0.03
    assert torch.equal(model.drawn(index[7:9]), codes[7:9])
    assert not torch.equal(codes, model.bank.read(index))
    monkeypatch.setattr(type(model), "current_epoch", 1)
    assert (model.drawn(index) - codes).abs().mean() > 1


def test_both_rates_fall_along_the_authors_table(tmp_path):
    rates = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer, model):
            rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    model = made("adversarial", learning_rate=1e-3, discriminator_rate=4e-3)
    trainer(tmp_path, 10, callbacks=[Watch()], limit_train_batches=1).fit(model, loader())
    # Ten epochs stand for 1001: the first three for 0, 100 and 200, the last for 900.
    assert [painting for painting, _ in rates[:3]] == pytest.approx([1e-3, 1e-3, 8e-4])
    assert rates[-1] == pytest.approx([2e-4, 8e-4])
    assert all(judging == pytest.approx(4 * painting) for painting, judging in rates)


def test_validation_has_all_terms_and_changes_nothing(tmp_path):
    model = made("adversarial")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = trainer(tmp_path, 1)
    run.validate(model, loader(), verbose=False)
    logged = run.callback_metrics
    lengths = logit_gradients(model.discriminator, Faces().images).square().sum((1, 2, 3))
    torch.testing.assert_close(logged["val/r1"], lengths.mean())
    parts = ("likelihood", "adversarial", "discriminator")
    torch.testing.assert_close(logged["val/loss"], sum(logged[f"val/{name}"] for name in parts))
    assert len(model.bank.codes) == 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_penalty_of_known_functions():
    image = torch.rand(5, 3, 4, 4, requires_grad=True)
    weight = torch.randn(3, 4, 4)
    torch.testing.assert_close(
        gradient_penalty((weight * image).sum((1, 2, 3)), image), weight.square().sum()
    )
    found = gradient_penalty(image.square().sum((1, 2, 3)) / 2, image)
    torch.testing.assert_close(found, image.square().sum((1, 2, 3)).mean())
    (slope,) = torch.autograd.grad(found, image)
    torch.testing.assert_close(slope, 2 * image / 5)


@pytest.mark.parametrize("size", [8, 16, 64, 256])
def test_a_discriminator_judges_every_picture_apart(size):
    torch.manual_seed(0)
    model, image = Discriminator(size, 1, width=2), torch.rand(3, 1, size, size)
    logits = model(image)
    assert logits.shape == (3,) and logits.unique().numel() == 3
    torch.testing.assert_close(logits[1:2], model(image[1:2]))


@pytest.mark.parametrize("size", [4, 48, 100])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"power of two from 8 on, got {size}"):
        Discriminator(size)


def test_the_model_of_256_pixels():
    torch.manual_seed(0)
    model = AdversarialDeformableGenerator()
    assert count(model.generators.appearance) == 1_020_623
    assert count(model.generators.geometry) == 243_410
    assert count(model.discriminator) == 2_791_905
    painted = model.generators(100 * torch.randn(1, 128))  # enough to reach the bound
    assert painted.picture.shape == (1, 3, 256, 256)
    assert painted.displacement.shape == (1, 2, 256, 256)
    assert painted.displacement.abs().max().item() * 128 == pytest.approx(80)  # pixels
    assert model.discriminator(painted.picture).shape == (1,)
