"""How DDR and its baselines learn: draws, alarms, warm-up, resuming, several processes."""

import logging

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, DistributedSampler

from lightning_modules.ddr.baselines import FrameVAE, SequentialVAE
from lightning_modules.ddr.learner import Collapse
from lightning_modules.ddr.module import DDR
from tests.lightning_modules.ddr.made import METHODS, Clips, clips, made, trainer


def batch(count=4, frames=6):
    return {"clip": clips(count, frames), "index": torch.arange(count)}


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_is_the_sum_of_its_parts(method):
    terms = made(method).train().losses(batch())
    nats = terms["kl_where"] + terms["kl_what"]
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + nats)
    frames = 3 if method is DDR else 6
    torch.testing.assert_close(terms["bound_per_frame"], -terms["loss"] / frames)
    # Half a bit's worth at first: every pixel is a guess.
    assert 0.4 < terms["reconstruction"] / (frames * 3 * 256) < 1.2
    assert (terms["kl_what"] == 0) == (method is FrameVAE)


def test_ddr_draws_its_frames_where_it_is_given_more(monkeypatch):
    model, seen = made().train(), set()
    clip, index = torch.arange(6.0).view(1, 6, 1).expand(4, 6, 1), torch.arange(4)

    def places(rows=slice(None)):
        return model.learned_from(clip[rows], index[rows])[..., 0].long()

    for epoch in range(60):
        monkeypatch.setattr(DDR, "current_epoch", epoch)
        found = places()
        seen |= {tuple(row) for row in found.tolist()}
        assert torch.equal(places(), found) and torch.equal(places([3, 1]), found[[3, 1]])
    assert 75 < len(seen) <= 120 and all(len(set(row)) == 3 for row in seen)
    model.eval()
    validated = places()
    monkeypatch.setattr(DDR, "current_epoch", 7)
    assert torch.equal(places(), validated)  # the same at every validation
    few = clip[:, [5, 1, 2]]
    assert model.learned_from(few, index) is few
    with pytest.raises(ValueError, match="clips have 2 frames, 3 are to be drawn of each"):
        model.learned_from(clip[:, :2], index)


def test_the_bound_is_of_the_frames_drawn():
    model, given = made().train(), batch()
    shown = []
    hook = model.network.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    model.losses(given)
    hook.remove()
    assert torch.equal(shown[0], model.learned_from(given["clip"], given["index"]))


def test_the_baselines_learn_from_all_that_the_dataset_shows():
    assert (DDR.draws, made().draws, made(draw=4).draws) == (0, 3, 4)
    assert made(SequentialVAE).draws == 0 and made(FrameVAE, draw=5).draws == 5
    for method in (SequentialVAE, FrameVAE):
        clip = batch()["clip"]
        assert made(method).train().learned_from(clip, torch.arange(4)) is clip


def test_batches_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"the batch holds only image, index; .*hand_out"):
        made().losses({"image": torch.rand(2, 3, 16, 16), "index": torch.arange(2)})
    with pytest.raises(ValueError, match=r"clips are of \[6, 3, 8, 8\].*frames of \[3, 16, 16\]"):
        made().losses({"clip": torch.rand(2, 6, 3, 8, 8), "index": torch.arange(2)})


def test_draws_hang_on_seed_sample_and_epoch(monkeypatch):
    given = batch(4, 3)
    model = made().train()
    whole = model.losses(given)["loss"]
    torch.manual_seed(99)
    assert torch.equal(model.losses(given)["loss"], whole)
    again = given | {"index": torch.arange(4) + 10}
    for other in (made(seed=1).train().losses(given), model.losses(again)):
        assert other["loss"] != whole
    monkeypatch.setattr(DDR, "current_epoch", 1)
    assert model.losses(given)["loss"] != whole


def test_divergences_warm_up_if_they_are_told_to(monkeypatch):
    model = made(warmup_steps=10).train()
    for step, weight in ((0, 0), (4, 0.4), (10, 1), (11, 1)):
        monkeypatch.setattr(DDR, "global_step", step)
        terms = model.losses(batch())
        nats = terms["kl_where"] + terms["kl_what"]
        torch.testing.assert_close(terms["loss"], terms["reconstruction"] + weight * nats)
    monkeypatch.setattr(DDR, "global_step", 0)
    assert model.eval().kl_weight() == 1 and made().train().kl_weight() == 1


def test_a_code_that_dies_is_told_once(caplog):
    watch = Collapse()

    def epoch(number, where, what):
        watch.add("where", torch.tensor(where).expand(4, 3, -1))
        watch.add("what", torch.tensor(what).expand(4, -1))
        return watch.end(number)

    with caplog.at_level(logging.WARNING):
        assert epoch(0, [0.5, 0.001], [0.02, 0.03, 0.0]) == {"where": 1, "what": 2}
        assert not caplog.records
        assert epoch(1, [0.009, 0.002], [0.02, 0.03, 0.0]) == {"where": 0, "what": 2}
        (record,) = caplog.records
        assert record.getMessage() == (
            "epoch 1: the code 'where' has collapsed: none of its 2 dimensions carries 0.01 nats, "
            "its KL divergence is 0.011 nats in all"
        )
        epoch(2, [0.0, 0.0], [0.0, 0.0, 0.0])
        assert [r.getMessage()[:32] for r in caplog.records[1:]] == [
            "epoch 2: the code 'what' has col"
        ]
        epoch(3, [1.0, 0.0], [0.0, 0.0, 0.0])
        epoch(4, [0.0, 0.0], [0.0, 0.0, 0.0])
        assert "epoch 4: the code 'where'" in caplog.records[-1].getMessage()
        assert len(caplog.records) == 3
    watch.add("where", torch.tensor([[0.0, 0.4]]))
    watch.add("where", torch.tensor([[0.04, 0.0], [0.0, 0.0], [0.0, 0.0]]))  # rows count, not calls
    assert watch.end(5) == {"where": 2}


def dead(model):
    """Codes whose posteriors are their priors."""
    network = model.network
    with torch.no_grad():
        for layer in (network.common[-1], network.of_frame[-1], network.of_static[-1]):
            layer.weight.zero_(), layer.bias.zero_()
    return model


def test_a_run_warns_of_dead_codes_and_logs_those_alive(tmp_path, caplog):
    loader = DataLoader(Clips(), batch_size=4)
    with caplog.at_level(logging.WARNING, logger="lightning_modules"):
        run = trainer(tmp_path, 2)
        run.fit(dead(made(learning_rate=0.0)), loader, loader)
    told = [r.getMessage() for r in caplog.records if "collapsed" in r.getMessage()]
    assert [message[:27] for message in told] == [
        "epoch 0: the code 'where' h",
        "epoch 0: the code 'what' ha",
    ]
    logged = run.callback_metrics
    assert logged["train/active_where"] == logged["train/active_what"] == 0
    assert {"train/kl_where", "val/kl_what", "val/bound_per_frame"} <= logged.keys()
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="lightning_modules"):
        run = trainer(tmp_path, 1)
        run.fit(made(FrameVAE), loader)
    assert not [r for r in caplog.records if "collapsed" in r.getMessage()]
    assert 0 < run.callback_metrics["train/active_where"] <= 4
    assert "train/active_what" not in run.callback_metrics


@pytest.mark.parametrize("method", METHODS)
def test_a_short_run_lowers_the_loss_and_moves_every_weight(method, tmp_path):
    model = made(method, learning_rate=5e-3)
    before = {name: value.clone() for name, value in model.named_parameters()}
    first = model.eval().losses(batch(12))["loss"]
    run = trainer(tmp_path, 12)
    run.fit(model.train(), DataLoader(Clips(), batch_size=4, shuffle=False))
    assert model.eval().losses(batch(12))["loss"] < 0.85 * first
    for name, value in model.named_parameters():
        assert not torch.equal(value, before[name]), name
    (group,) = made(method).configure_optimizers().param_groups
    assert group["lr"] == 1e-4  # the paper's


def test_the_rate_falls_to_zero_over_the_last_fifth_if_it_is_told_to(tmp_path):
    rates = []

    class Rates(pl.Callback):
        def on_train_batch_start(self, trainer, model, batch, batch_idx):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    run = trainer(tmp_path, 5, callbacks=[Rates()])
    run.fit(made(learning_rate=1e-3, schedule="trapezoid"), DataLoader(Clips(), batch_size=4))
    assert rates == pytest.approx([1e-3] * 13 + [1e-3 * 2 / 3, 1e-3 / 3])
    with pytest.raises(ValueError, match="constant, trapezoid, got 'cosine'"):
        made(schedule="cosine")


@pytest.mark.parametrize(
    ("method", "how"),
    [(DDR, {"warmup_steps": 9}), (SequentialVAE, {"warmup_steps": 9, "schedule": "trapezoid"})],
)
def test_a_resumed_run_is_the_run_that_was_not_interrupted(method, how, tmp_path):
    loader = DataLoader(Clips(), batch_size=4)
    whole = made(method, **how)
    trainer(tmp_path, 4).fit(whole, loader)

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, model):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    trainer(tmp_path, 4, callbacks=[Stop()]).fit(made(method, **how), loader)
    torch.manual_seed(123)  # nothing may hang on torch's own generator
    half = method.load_from_checkpoint(tmp_path / "half.ckpt", weights_only=True)
    assert not torch.equal(half.network.encoder[0].weight, whole.network.encoder[0].weight)
    run = trainer(tmp_path, 4)
    run.fit(half, loader, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert run.global_step == 12
    for name, value in half.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


class Data(pl.LightningDataModule):
    """Batches of four in all, in order; Lightning's own sampler would shuffle."""

    def train_dataloader(self):
        ranks, samples = self.trainer.world_size, Clips()
        sampler = DistributedSampler(samples, ranks, self.trainer.global_rank, shuffle=False)
        return DataLoader(samples, batch_size=4 // ranks, sampler=sampler)


class Keep(pl.Callback):
    """Writes every rank's weights."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_end(self, trainer, model):
        weights = [p.detach().clone() for p in model.parameters()]
        torch.save(weights, self.folder / f"{trainer.world_size}-{trainer.global_rank}.pt")


def test_two_ranks_learn_what_one_learns_from_the_same_batches(tmp_path):
    for ranks in (1, 2):
        more = {"devices": 2, "strategy": "ddp_spawn"} if ranks == 2 else {"devices": 1}
        more |= {"callbacks": [Keep(tmp_path)], "use_distributed_sampler": False}
        trainer(tmp_path, 2, **more).fit(made(learning_rate=1e-3), Data())
    one, first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in ("1-0", "2-0", "2-1"))
    for a, b, c in zip(one, first, second, strict=True):
        assert torch.equal(b, c)
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)
