"""The variant whose appearance code is the label: what is given, what is inferred, which class."""

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lightning_modules.deformable import conditional
from lightning_modules.deformable.conditional import ConditionalDeformableGenerator
from lightning_modules.interface import Codes, HasCanonical, HasChains, HasClasses, HasDeformation
from tests.lightning_modules.deformable.test_deformable import trainer


class Marks(torch.utils.data.Dataset):
    """Squares in one of three corners of 16 pixels, moved by up to one."""

    def __init__(self, count=48, seed=1):
        generator = torch.Generator().manual_seed(seed)
        self.label = torch.arange(count) % 3
        move = torch.randint(-1, 2, (count, 2), generator=generator).tolist()
        marks = torch.zeros(3, 1, 16, 16)
        marks[0, :, 2:7, 2:7] = marks[1, :, 9:14, 2:7] = marks[2, :, 2:7, 9:14] = 1
        rows = zip(self.label.tolist(), move, strict=True)
        self.images = torch.stack([marks[k].roll(by, (1, 2)) for k, by in rows])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "index": i, "label": self.label[i]}


def loader(dataset=None):
    return DataLoader(dataset or Marks(), batch_size=24)


def made(**more):
    torch.manual_seed(0)
    return ConditionalDeformableGenerator(
        image_size=16,
        n_classes=3,
        geometry_dim=4,
        **{"channels": (8, 4), "kernels": (3, 5), "langevin_steps": 3, "infer_steps": 10} | more,
    )


def distinct(**more):
    """An untrained model whose classes do not look alike."""
    model = made(**more).eval()
    with torch.no_grad():
        model.generators.appearance.first.weight *= 50
    return model


def batch(count=6):
    marks = Marks(count)
    return {"image": marks.images, "index": torch.arange(count), "label": marks.label}


def test_it_can_what_the_pictures_of_the_paper_need():
    model = made().eval()
    for capability in (HasClasses, HasCanonical, HasChains, HasDeformation):
        assert isinstance(model, capability)
    assert ConditionalDeformableGenerator().shape.code_dim == 10 + 64
    image = Marks(5).images
    codes = model.encode(image)
    assert codes.what.shape == (5, 3) and codes.where.shape == (5, 4)
    torch.testing.assert_close(model.reconstruct(image), model.decode(codes))
    assert model.class_pictures().shape == (3, 1, 16, 16)
    torch.testing.assert_close(
        model.canonical(image)[0], model.class_pictures()[codes.what.argmax(1)]
    )


def test_the_bank_holds_geometry_alone_and_the_label_decides_what_is_painted():
    model = made().train()
    visited = batch()
    model.losses(visited)
    assert model.bank.codes.shape == (6, 4)
    state = model.bank.state()
    found = []
    for label in (visited["label"], (visited["label"] + 1) % 3):
        model.bank.load(state)
        found.append(model.losses(visited | {"label": label}))
    assert found[0]["loss"] != found[1]["loss"]
    inferred = model.bank.read(visited["index"])
    torch.testing.assert_close(found[1]["code_rms"], inferred.square().mean().sqrt())
    where = Codes(inferred, F.one_hot((visited["label"] + 1) % 3, 3).float())
    missed = (model.decode(where) - visited["image"]).square().flatten(1).sum(1).mean()
    torch.testing.assert_close(found[1]["reconstruction"], missed.detach())


def test_a_picture_gets_the_class_of_least_energy():
    model = distinct(inference_scale=0.5)
    image = model.class_pictures()[[0, 1, 2, 2, 1, 0, 1]].detach()
    where, energy = [], []
    for label in range(3):
        what = F.one_hot(torch.full((7,), label), 3).float()
        where.append(model._chain(image, 0, what))
        missed = (model.decode(Codes(where[-1], what)) - image).square().flatten(1).sum(1)
        energy.append(missed / (2 * (0.5 * 0.1) ** 2) + where[-1].square().sum(1) / 2)
    best = torch.stack(energy).argmin(0)
    assert len(best.unique()) > 1
    assert torch.equal(model.classify(image), best)
    wanted = torch.stack(where)[best, torch.arange(7)]
    torch.testing.assert_close(model.encode(image).where, wanted, atol=1e-5, rtol=1e-5)


def test_without_geometry_the_class_is_the_nearest_canonical_picture():
    model = distinct()
    for values in model.generators.geometry.parameters():
        torch.nn.init.zeros_(values)
    order = [0, 1, 2, 2, 1, 0, 1]
    image = model.class_pictures()[order].detach()
    assert model.classify(image).tolist() == order
    torch.testing.assert_close(model.reconstruct(image), image, atol=1e-5, rtol=0)


def test_pieces_of_a_batch_give_what_the_whole_gives(monkeypatch):
    model, image = made().eval(), Marks(7).images
    whole = model.infer(image, chain=1)
    monkeypatch.setattr(conditional, "_CHAINS", 7)
    sizes = []
    monkeypatch.setattr(
        model,
        "_chain",
        lambda x, *given: sizes.append(len(x)) or type(model)._chain(model, x, *given),
    )
    torch.testing.assert_close(model.infer(image, chain=1), whole, atol=1e-5, rtol=1e-5)
    assert sizes == [6, 6, 6, 3]
    assert (model.infer(image) - whole).abs().max() > 0.01


def test_it_learns_to_warp_and_to_tell_classes_apart(tmp_path):
    model = made(learning_rate=0.02, inference_scale=2.0, bound=0.05)
    unseen = Marks(30, seed=2)
    before = (model.eval().reconstruct(unseen.images) - unseen.images).square().mean()
    run = trainer(tmp_path, 15, check_val_every_n_epoch=15)
    run.fit(model.train(), loader(), loader(unseen))
    after = (model.eval().reconstruct(unseen.images) - unseen.images).square().mean()
    assert after < 0.5 * before
    hit = (model.classify(unseen.images) == unseen.label).float().mean()
    assert hit > 0.9
    assert run.callback_metrics["val/accuracy"] == pytest.approx(hit.item(), abs=1e-6)
    assert "train/accuracy" not in run.callback_metrics


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path):
    whole = made()
    trainer(tmp_path, 4).fit(whole, loader())

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, model):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    trainer(tmp_path, 4, callbacks=[Stop()]).fit(made(), loader())
    half = made()
    trainer(tmp_path, 4).fit(half, loader(), ckpt_path=tmp_path / "half.ckpt")
    torch.testing.assert_close(half.bank.codes, whole.bank.codes)
    for a, b in zip(half.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_prior_draws_classes_evenly(monkeypatch):
    model = made()
    drawn = []
    monkeypatch.setattr(model, "decode", drawn.append)
    model.sample(3000)
    counts = drawn[0].what.sum(0)
    assert counts.sum() == 3000 and (counts - 1000).abs().max() < 130  # five deviations
    assert drawn[0].where.std() == pytest.approx(1, abs=0.05)
    mean = model.prior_mean()
    assert mean.what.tolist() == [[1, 0, 0]] and mean.where.tolist() == [[0, 0, 0, 0]]


def test_labels_that_are_missing_or_no_class_are_named():
    model = made().train()
    unlabelled = {key: value for key, value in batch().items() if key != "label"}
    with pytest.raises(ValueError, match="holds only image, index; take a dataset with `label`"):
        model.losses(unlabelled)
    with pytest.raises(ValueError, match="labels go from 1 to 3, but n_classes is 3"):
        model.losses(batch() | {"label": batch()["label"] + 1})
    assert "accuracy" not in model.eval().losses(unlabelled)
