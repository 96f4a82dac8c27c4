"""The Deformable Generator and its kin: sizes, learning, what is kept, what is frozen."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from lightning_modules.abp.module import AlternatingBackPropagation
from lightning_modules.deformable.module import (
    AdversarialDeformableGenerator,
    AmortisedDeformableGenerator,
    DeformableGenerator,
)
from lightning_modules.interface import HasCodes, HasDecoder, HasDeformation, HasReconstruction
from lightning_modules.vae.module import VAE

TINY = {"image_size": 16, "channels": (8, 4), "kernels": (3, 5)}
CHAINS = {"langevin_steps": 3, "infer_steps": 10}
PARTS = {"appearance_dim": 5, "geometry_dim": 4, "appearance_ratio": 0.5}
MAKERS = {
    "deformable": lambda **k: DeformableGenerator(**PARTS, **TINY, **CHAINS, **k),
    "amortised": lambda **k: AmortisedDeformableGenerator(**PARTS, **TINY, **k),
    "adversarial": lambda **k: AdversarialDeformableGenerator(
        discriminator_width=4, **PARTS, **TINY, **CHAINS, **k
    ),
    "abp": lambda **k: AlternatingBackPropagation(latent_dim=9, **TINY, **CHAINS, **k),
    "vae": lambda **k: VAE(latent_dim=9, **TINY, **k),
}


class Faces(torch.utils.data.Dataset):
    """Twelve smooth pictures of 16 px."""

    def __init__(self, count=12):
        generator = torch.Generator().manual_seed(1)
        small = torch.rand(count, 3, 4, 4, generator=generator)
        self.images = torch.nn.functional.interpolate(small, size=16, mode="bilinear")

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "index": i}


def loader(batch=4):
    return DataLoader(Faces(), batch_size=batch)


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


def made(name, **more):
    torch.manual_seed(0)
    return MAKERS[name](**more)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_faithful_model_has_the_papers_parameters():
    model = DeformableGenerator()
    assert count(model.generators.appearance) == 125_023
    assert count(model.generators.geometry) == 238_994
    assert count(model) == 364_017
    assert model.shape.image_size == 64
    assert count(AlternatingBackPropagation()) == pytest.approx(count(model), rel=0.02)


@pytest.mark.parametrize("name", MAKERS)
def test_capabilities_and_shapes(name):
    model, image = made(name).eval(), Faces().images[:3]
    codes = model.encode(image)
    assert isinstance(model, HasCodes | HasDecoder) and isinstance(model, HasReconstruction)
    assert isinstance(model, HasDeformation) == (name not in ("abp", "vae"))
    if isinstance(model, HasDeformation):
        assert codes.what.shape == (3, 5) and codes.where.shape == (3, 4)
        field = model.deformation(image)
        assert field.shape == (3, 2, 16, 16) and field.abs().max() <= 2 * 20 / 64
    else:
        assert codes.what.shape == (3, 9) and torch.equal(codes.what, codes.where)
    painted = model.decode(codes)
    assert painted.shape == image.shape and painted.min() >= 0 and painted.max() <= 1
    torch.testing.assert_close(model.reconstruct(image), painted, atol=1e-6, rtol=0)
    assert model.sample(2).shape == (2, 3, 16, 16)


@pytest.mark.parametrize("name", MAKERS)
def test_training_lowers_the_error(name, tmp_path):
    level = {"sigma": 0.1} if name in ("amortised", "vae") else {"inference_scale": 2.0}
    level |= {"likelihood_weight": 0.1} if name == "adversarial" else {}
    model = made(name, learning_rate=0.01, **level)
    image = Faces().images
    before = (model.eval().reconstruct(image) - image).square().mean()
    trainer(tmp_path, 80).fit(model.train(), loader())
    after = (model.eval().reconstruct(image) - image).square().mean()
    assert after < 0.7 * before


@pytest.mark.parametrize("name", MAKERS)
def test_grey_pictures_are_learned_too(name, tmp_path):
    """As of CK+ or MNIST; with the sizes of 32 px, as of CIFAR-10."""
    sizes = {"image_size": 32, "channels": (8, 4, 4), "kernels": (3, 5, 5)}
    chains = CHAINS if name in ("deformable", "abp") else {}
    torch.manual_seed(0)
    model = type(made(name))(image_channels=1, **sizes, **chains)
    images = torch.nn.functional.interpolate(Faces().images[:, :1], size=32)
    before = {k: v.clone() for k, v in model.named_parameters()}
    batches = [{"image": images, "index": torch.arange(12)}]
    trainer(tmp_path, 5).fit(model, DataLoader(batches, batch_size=None))
    assert all(not torch.equal(v, before[k]) for k, v in model.named_parameters())
    assert model.eval().encode(images[:2]).what.shape[0] == 2
    assert model.sample(2).shape == (2, 1, 32, 32)


def test_where_a_field_is_zero_the_picture_is_the_canonical_one():
    model = made("deformable")
    for values in model.generators.geometry.parameters():
        torch.nn.init.zeros_(values)
    painted = model.generators(torch.randn(2, 9))
    torch.testing.assert_close(painted.picture, painted.canonical, atol=1e-5, rtol=0)
    watched = model.watched(painted, {"image": painted.picture})
    assert watched["displacement"] == 0 and watched["without_field"] < 1e-6


def test_tanh_speaks_of_pictures_in_minus_one_to_one():
    picture, image = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    plain = made("vae").generators.error(picture, image)
    doubled = ((2 * picture - 1) - (2 * image - 1)).square().flatten(1).sum(1)
    torch.testing.assert_close(made("vae", head="tanh").generators.error(picture, image), doubled)
    torch.testing.assert_close(doubled, 4 * plain)


def test_a_visit_moves_the_codes_of_the_batch_and_no_others():
    model = made("deformable")
    batch = {"image": Faces().images[:2], "index": torch.tensor([3, 5])}
    before = model.bank.read(torch.arange(8))
    model.train().losses(batch)
    after = model.bank.read(torch.arange(8))
    changed = (before != after).any(1).nonzero()[:, 0].tolist()
    assert changed == [3, 5]
    model.eval().losses(batch)
    assert torch.equal(model.bank.read(torch.arange(8)), after)


def test_a_picture_has_the_same_code_in_any_batch_and_another_in_another_chain():
    model, image = made("deformable").eval(), Faces().images
    whole = model.infer(image)
    torch.testing.assert_close(model.infer(image[4:6]), whole[4:6], atol=1e-4, rtol=1e-4)
    assert (model.infer(image[:2], chain=1) - whole[:2]).abs().max() > 0.01


def test_to_the_mode_every_chain_is_the_same_and_codes_hang_on_the_picture_alone():
    model, image = made("deformable", infer_by="mode").eval(), Faces().images
    model.infer_steps = 40
    codes = model.infer(image)
    assert torch.equal(model.infer(image, chain=1), codes)
    model.seed = 7
    assert torch.equal(model.infer(image), codes)
    model.infer_steps = 80
    energies = [
        (model._misfit(image, 0.1, None)(z) + z.square().sum(1) / 2)
        for z in (torch.zeros_like(codes), codes, model.infer(image))
    ]
    assert (energies[0] > energies[1]).all() and energies[1].sum() > energies[2].sum()


def test_the_schedules_are_the_authors_stretched_to_the_run(tmp_path):
    rates, levels = [], []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer, model):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])
            levels.append(model.noise_level())

    model = made("deformable")
    trainer(tmp_path, 20, callbacks=[Watch()], limit_train_batches=1).fit(model, loader())
    # 20 epochs stand for 1001: the first three for 0, 50, 100; the last for 950.
    assert rates[:4] == pytest.approx([1e-3, 1e-3, 1e-3, 8e-4]) and rates[-1] == pytest.approx(1e-4)
    assert levels[:4] == [0.15, 0.15, 0.15, 0.1] and levels[-1] == 0.1
    assert model.eval().noise_level() == 0.1


@pytest.mark.parametrize("name", ["deformable", "adversarial", "abp"])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(name, tmp_path):
    whole = made(name)
    trainer(tmp_path, 4).fit(whole, loader())

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, model):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    trainer(tmp_path, 4, callbacks=[Stop()]).fit(made(name), loader())
    checkpoint = torch.load(tmp_path / "half.ckpt", weights_only=True)
    assert checkpoint["code_bank"]["codes"].shape == (12, 9)
    half = made(name)
    trainer(tmp_path, 4).fit(half, loader(), ckpt_path=tmp_path / "half.ckpt")
    every = torch.arange(12)
    assert torch.equal(half.bank.read(every), whole.bank.read(every))
    for a, b in zip(half.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", MAKERS)
def test_a_checkpoint_loads_by_its_own_arguments(name, tmp_path):
    model = made(name)
    run = trainer(tmp_path, 1)
    run.fit(model, loader())
    run.save_checkpoint(tmp_path / "x.ckpt")
    again = type(model).load_from_checkpoint(tmp_path / "x.ckpt", weights_only=True).eval()
    image = Faces().images[:2]
    torch.testing.assert_close(again.reconstruct(image), model.eval().reconstruct(image))


@pytest.mark.parametrize("name", ["deformable", "amortised", "adversarial"])
def test_fine_tuning_leaves_the_geometry_alone_and_forgets_codes(name, tmp_path):
    model = made(name)
    trainer(tmp_path, 1).fit(model, loader())
    model.begin_finetuning()
    before = {k: v.clone() for k, v in model.named_parameters()}
    if name != "amortised":
        assert len(model.bank.codes) == 0
    trainer(tmp_path, 1).fit(model, loader())
    changed = {k for k, v in model.named_parameters() if not torch.equal(v, before[k])}
    assert changed and not any("geometry" in key for key in changed)
    assert any("appearance" in key for key in changed)


def test_of_an_entangled_method_fine_tuning_changes_everything(tmp_path):
    model = made("vae")
    model.begin_finetuning()
    assert all(p.requires_grad for p in model.parameters())


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        DeformableGenerator(channels=(8, 4), kernels=(3,))
    with pytest.raises(ValueError, match="grow pictures of 64 px, image_size is 128"):
        DeformableGenerator(image_size=128)
    with pytest.raises(ValueError, match="fraction of the width"):
        DeformableGenerator(bound=20)
