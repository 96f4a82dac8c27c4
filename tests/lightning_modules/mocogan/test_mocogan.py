"""MoCoGAN's learning: who learns from what, what the judges see, resuming, several processes."""

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lightning_modules.mocogan.losses import category_error, deceived, told_apart, unexplained
from lightning_modules.mocogan.module import MoCoGAN

TINY = {
    "image_size": 16,
    "channels": (16, 8),
    "content_dim": 4,
    "motion_dim": 3,
    "categories": 2,
    "discriminator_width": 2,
    "pictures_per_clip": 2,
    "regressor_width": 8,
    "regressor_hidden": 32,
}
SIDES = ("generator", "picture_discriminator", "clip_discriminator", "regressor")


class Clips(torch.utils.data.Dataset):
    """Ten clips of 32 frames; the grey of a frame is its number over 32."""

    def __len__(self):
        return 10

    def __getitem__(self, i):
        frames = torch.arange(32).view(32, 1, 1, 1) / 32
        return {"clip": frames.expand(32, 3, 16, 16), "index": i, "expression": i % 3 - 1}


def made(**more):
    torch.manual_seed(0)
    return MoCoGAN(**(TINY | more))


def batch(clips=4):
    return next(iter(DataLoader(Clips(), batch_size=clips)))


def trainer(folder, epochs, **more):
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        **more,
    )


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_the_losses_of_both_sides_are_cross_entropies():
    real, fake = torch.randn(3, 2, 2), torch.randn(3, 2, 2)
    entropy = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(
        told_apart(real, fake),
        entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake)),
    )
    torch.testing.assert_close(deceived(fake), entropy(fake, torch.ones_like(fake)))


def test_unknown_categories_teach_nothing_and_unheard_ones_are_refused():
    logits = torch.randn(4, 3)
    wanted = F.cross_entropy(logits[1:3], torch.tensor([2, 0]))
    torch.testing.assert_close(category_error(logits, torch.tensor([-1, 2, 0, -1])), wanted)
    assert category_error(logits, torch.full((4,), -1)) == 0
    with pytest.raises(ValueError, match=r"of category 3, the model has 3; give categories=4"):
        category_error(logits, torch.tensor([0, 3, 1, 1]))


def test_the_mean_leaves_everything_unexplained():
    wanted = torch.randn(50, 4, 3) * 7 + 2
    torch.testing.assert_close(
        unexplained(wanted.mean((0, 1)).expand_as(wanted), wanted), torch.tensor(1.0)
    )
    assert unexplained(wanted + 0.7, wanted) == pytest.approx(0.01, rel=0.2)


def test_losses_are_the_sum_of_their_sides():
    terms = made(information_weight=0.5).train().losses(batch())
    torch.testing.assert_close(terms["loss"], sum(terms[name] for name in SIDES))
    torch.testing.assert_close(
        terms["generator"],
        terms["deceived_pictures"] + terms["deceived_clips"] + 0.5 * terms["information"],
    )
    torch.testing.assert_close(terms["category"], 0.5 * terms["information"])
    assert {"real_pictures", "fake_pictures", "real_clips", "fake_clips"} <= terms.keys()
    plain = made(information_weight=0.0).train().losses(batch())
    assert not {"information", "category"} & plain.keys()
    torch.testing.assert_close(
        plain["generator"], plain["deceived_pictures"] + plain["deceived_clips"]
    )
    assert "category_unexplained" not in made(categories=0).train().losses(batch())


@pytest.mark.parametrize("supervised", [False, True])
def test_no_side_learns_from_the_loss_of_another(supervised):
    model = made(supervised_categories=supervised).train()
    terms = model.losses(batch())
    for side in SIDES:
        for name in SIDES:
            found = torch.autograd.grad(
                terms[side],
                list(getattr(model, name).parameters()),
                retain_graph=True,
                allow_unused=True,
            )
            moved = [slope is not None and bool(slope.abs().sum() > 0) for slope in found]
            assert all(moved) if side == name else not any(moved), (side, name)


def test_categories_are_learned_from_generated_clips_unless_labels_are_asked_for():
    given = batch()
    free, told = made().train(), made(supervised_categories=True).train()
    other = given | {"expression": torch.zeros(4).long()}  # known all, and all the same
    assert free.losses(given)["category"] == free.losses(other)["category"]
    assert told.losses(given)["category"] != told.losses(other)["category"]
    with pytest.raises(ValueError, match="of category 5, the model has 2"):
        told.losses(given | {"expression": torch.full((4,), 5)})


def seen_by(judge, model, given):
    """What a judge is shown in one call of the losses: real, generated, generated."""
    shown = []
    hook = judge.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].detach()))
    model.losses(given)
    hook.remove()
    return shown


def test_judges_see_every_second_frame_of_real_clips_and_single_frames_of_all(monkeypatch):
    model, firsts, singles = made().train(), set(), set()
    for epoch in range(12):
        monkeypatch.setattr(type(model), "current_epoch", epoch)
        real, fake, again = seen_by(model.clip_discriminator, model, batch())
        numbers = (real[:, :, 0, 0, 0] * 32).round()
        assert (numbers.diff(dim=1) == 2).all() and torch.equal(fake, again)
        assert fake.shape == (4, 16, 3, 16, 16) and (fake[0] - fake[1]).abs().max() > 0.01
        pictures = seen_by(model.picture_discriminator, model, batch())[0]
        firsts |= set(numbers[:, 0].tolist())
        singles |= set((pictures[:, 0, 0, 0] * 32).round().tolist())
    assert firsts == {0, 1} and len(singles) > 26 and max(singles) <= 31


def test_a_stride_of_three_does_not_fit_and_one_is_honoured():
    for stride, step in ((1, 1), (3, 2)):
        model = made(stride=stride).train()
        real = seen_by(model.clip_discriminator, model, batch())[0]
        assert ((real[:, :, 0, 0, 0] * 32).round().diff(dim=1) == step).all()
    with pytest.raises(ValueError, match="clips have 15 frames, training reads 16"):
        made().losses(batch() | {"clip": torch.rand(4, 15, 3, 16, 16)})
    with pytest.raises(ValueError, match="clip_length must be 16 or more, got 15"):
        made(clip_length=15)
    with pytest.raises(ValueError, match="supervised_categories needs categories"):
        made(categories=0, supervised_categories=True)


def test_clips_in_training_may_be_longer():
    model = made(clip_length=24).train()
    real, fake, _ = seen_by(model.clip_discriminator, model, batch())
    assert real.shape == fake.shape == (4, 24, 3, 16, 16)
    assert ((real[:, :, 0, 0, 0] * 32).round().diff(dim=1) == 1).all()


def test_instance_noise_lies_on_all_that_judges_see_and_only_in_training():
    model, quiet = made(instance_noise=0.2), made()
    for mode in (True, False):
        model.train(mode), quiet.train(mode)
        for judge in ("clip_discriminator", "picture_discriminator"):
            noisy = seen_by(getattr(model, judge), model, batch())
            clean = seen_by(getattr(quiet, judge), quiet, batch())
            gaps = [a - b for a, b in zip(noisy, clean, strict=True)]
            if not mode:
                assert all(gap.abs().max() == 0 for gap in gaps)
                continue
            # 0.2 in [-1, 1] is 0.1 in [0, 1].
            assert all(abs(gap.std() - 0.1) < 0.01 for gap in gaps)
            assert (gaps[0] - gaps[1]).abs().mean() > 0.05


def test_a_batch_of_one_and_a_short_last_one_are_learned_from(tmp_path):
    model = made(instance_noise=0.1)
    before = state(model)
    run = trainer(tmp_path, 1)
    run.fit(model, DataLoader(Clips(), batch_size=9), DataLoader(Clips(), batch_size=9))
    assert run.global_step == 2
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters())
    logged = run.callback_metrics
    assert {"train/deceived_clips", "val/reconstruction", "val/motion_unexplained"} <= logged.keys()
    assert all(torch.isfinite(value) for value in logged.values())


def test_validation_changes_nothing(tmp_path):
    model = made()
    before = state(model)
    run = trainer(tmp_path, 1)
    run.validate(model, DataLoader(Clips(), batch_size=4), verbose=False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert 0 < run.callback_metrics["val/reconstruction"] < 0.5


def test_rates_are_the_authors_and_the_regressors_own():
    adversaries, regressor = made().configure_optimizers().param_groups
    assert (adversaries["lr"], adversaries["betas"]) == (2e-4, (0.5, 0.999))
    assert adversaries["weight_decay"] == 1e-5 and regressor["weight_decay"] == 0
    assert regressor["lr"] == 1e-3
    assert sum(len(g["params"]) for g in (adversaries, regressor)) == len([*made().parameters()])


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path):
    whole = made(instance_noise=0.1)
    loader = DataLoader(Clips(), batch_size=5)
    trainer(tmp_path, 4).fit(whole, loader)

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, model):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    trainer(tmp_path, 4, callbacks=[Stop()]).fit(made(instance_noise=0.1), loader)
    torch.manual_seed(123)  # nothing may hang on torch's own generator
    half = MoCoGAN.load_from_checkpoint(tmp_path / "half.ckpt", weights_only=True)
    assert not torch.equal(half.generator.layers[0].weight, whole.generator.layers[0].weight)
    run = trainer(tmp_path, 4)
    run.fit(half, loader, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert run.global_step == 8
    for name, value in half.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


class Keep(pl.Callback):
    """Writes every rank's weights."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_end(self, trainer, model):
        weights = [p.detach().clone() for p in model.parameters()]
        torch.save(weights, self.folder / f"{trainer.global_rank}.pt")


def test_two_processes_hold_the_same_weights(tmp_path):
    start = [p.detach().clone() for p in made().parameters()]
    more = {"devices": 2, "strategy": "ddp_spawn", "callbacks": [Keep(tmp_path)]}
    trainer(tmp_path, 1, limit_train_batches=2, **more).fit(
        made(), DataLoader(Clips(), batch_size=2)
    )
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for a, b, before in zip(first, second, start, strict=True):
        assert torch.equal(a, b) and not torch.equal(a, before)
