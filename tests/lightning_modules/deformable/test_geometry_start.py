"""What keeps the geometry alive from the start: a template first, slow rates, a small field."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lightning_modules.deformable.module import AmortisedDeformableGenerator, DeformableGenerator
from lightning_modules.deformable.network import Generators, GeneratorShape
from lightning_modules.layers.deconv import MirroredEncoder
from lightning_modules.vae.module import VAE

TINY = {"image_size": 16, "channels": (8, 4), "kernels": (3, 5)}


class Watch(pl.Callback):
    """Notes, before every step, what is learned and how much the KL divergence weighs."""

    def __init__(self):
        self.weights, self.learns = [], []

    def on_train_batch_start(self, trainer, model, batch, batch_idx):
        self.weights.append(model.kl_weight())

    def on_before_optimizer_step(self, trainer, model, optimizer):
        slope = model.generators.appearance.first.weight.grad
        self.learns.append(bool((slope != 0).any()))


def fit(model, folder, epochs=5):
    watch = Watch()
    data = [{"image": torch.rand(3, 16, 16), "index": i} for i in range(8)]
    pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        callbacks=[watch],
    ).fit(model, DataLoader(data, batch_size=4))
    return watch


def test_first_one_template_is_warped_and_the_kl_divergence_rises(tmp_path):
    torch.manual_seed(0)
    model = AmortisedDeformableGenerator(**TINY, beta=2.0, warmup=0.4, template=0.2)
    watch = fit(model, tmp_path)
    assert watch.learns == [False] * 2 + [True] * 8
    assert watch.weights == pytest.approx([0, 0.5, 1, 1.5] + [2] * 6)
    assert model.eval().kl_weight() == 2 and model.visible(torch.zeros(3, 128)).min() == 1


def test_a_second_training_has_no_such_start(tmp_path):
    model = AmortisedDeformableGenerator(**TINY, warmup=0.4, template=0.2)
    model.begin_finetuning()
    watch = fit(model, tmp_path, epochs=1)
    assert watch.weights == [1, 1] and all(watch.learns)


def test_a_hidden_code_costs_nothing(tmp_path):
    model = VAE(**TINY, latent_dim=6, warmup=0.0)
    model.template = 1.0
    watch = fit(model, tmp_path, epochs=1)
    assert not any(watch.learns)
    assert model.trainer.callback_metrics["train/kl"] == 0


def test_the_geometry_has_a_rate_of_its_own():
    model = DeformableGenerator(**TINY, geometry_rate=0.25)
    groups = model.trained_groups(0.02)
    assert [group["lr"] for group in groups] == [0.02, 0.005]
    slow = {id(p) for p in model.generators.geometry.parameters()}
    assert {id(p) for p in groups[1]["params"]} == slow
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    model.begin_finetuning()
    assert [group["lr"] for group in model.trained_groups(0.02)] == [0.02]


def test_a_small_start_scales_the_first_field_and_nothing_else():
    codes = torch.randn(5, 128)
    made = []
    for start in (1.0, 0.1):
        torch.manual_seed(0)
        made.append(Generators(GeneratorShape(field_start=start)))
    whole, small = (torch.atanh(g(codes).displacement / (2 * 20 / 64)) for g in made)
    torch.testing.assert_close(small, 0.1 * whole, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(made[0](codes).canonical, made[1](codes).canonical)


def test_encoders_start_certain_and_tell_pictures_apart():
    torch.manual_seed(0)
    encoder = MirroredEncoder(3, (128, 64, 32, 16), (3, 3, 5, 5), 64)
    smooth = torch.nn.functional.interpolate(torch.rand(16, 3, 4, 4), size=64, mode="bilinear")
    with torch.no_grad():
        mean, log_variance = encoder(smooth)
    assert log_variance.mean() == pytest.approx(-4, abs=0.1)
    assert mean.std(0).mean() > 3 * (0.5 * log_variance).exp().mean()
