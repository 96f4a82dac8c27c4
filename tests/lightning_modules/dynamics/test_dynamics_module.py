import pytest
import pytorch_lightning as pl
import torch

from lightning_modules import registry
from lightning_modules.dynamics.controls import ConstantVelocity, CopyLast
from lightning_modules.dynamics.module import GraphDynamics, TransformerDynamics
from lightning_modules.interface import HasParticleDynamics, HasPrediction
from tests.lightning_modules.dynamics.toys import SpotEncoder, clips, paths

ENCODER = {"image_size": 32, "encoder": "spots"}
LEARNED = [
    (GraphDynamics, {}),
    (GraphDynamics, {"convolution": "edge", "memory": 3, "rollout": 2, "objective": "matched"}),
    (TransformerDynamics, {"memory": 4, "hidden": 16}),
]


@pytest.fixture(autouse=True)
def spots(monkeypatch):
    where = "tests.lightning_modules.dynamics.toys:SpotEncoder"
    monkeypatch.setitem(registry.METHODS, "spots", where)


def batch_of(count=6, frames=14, seed=0):
    clip = clips(paths(count, frames, seed=seed))
    return {"clip": clip, "index": torch.arange(count)}


@pytest.mark.parametrize(("cls", "args"), LEARNED)
@pytest.mark.parametrize("objective", ["chamfer", "matched", "mse"])
def test_every_objective_teaches_the_steps_and_leaves_the_encoder_alone(cls, args, objective):
    method = cls(**ENCODER, **args | {"objective": objective}).train()
    assert not method.encoder.training
    found = method.losses(batch_of())
    found["loss"].backward()
    assert found["loss"] > 0 and found["step"] > 0
    assert all(p.grad is None for p in method.encoder.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.step.parameters())


def test_the_encoder_is_asked_once_for_a_clip():
    method, batch = GraphDynamics(**ENCODER).train(), batch_of()
    method.losses(batch)
    asked, first = method.encoder.asked, method.losses(batch)["loss"]
    method.losses({"clip": batch["clip"][[4, 1]], "index": batch["index"][[4, 1]]})
    assert method.encoder.asked == asked
    torch.testing.assert_close(method.losses(batch)["loss"], first)
    # A clip of another number is another one, and validation has numbers of its own.
    method.losses({"clip": batch["clip"][:2], "index": torch.tensor([5, 9])})
    assert method.encoder.asked == asked + 14
    method.eval().losses(batch)
    assert method.encoder.asked == asked + 14 + 6 * 14


def test_clips_too_short_are_refused():
    with pytest.raises(ValueError, match="windows of 4 frames"):
        GraphDynamics(**ENCODER, memory=3).losses(batch_of(frames=3))


@pytest.mark.parametrize(("cls", "args"), [*LEARNED, (CopyLast, {}), (ConstantVelocity, {})])
def test_a_rollout_of_fifty_frames_is_finite_and_keeps_shapes(cls, args):
    method = cls(**ENCODER, **args).eval()
    assert isinstance(method, HasParticleDynamics) and isinstance(method, HasPrediction)
    clip = batch_of(2, 10)["clip"]
    found = method.predict_particles(clip, 50)
    assert found.position.shape == (2, 50, 3, 2) and found.feature.shape == (2, 50, 3, 2)
    assert found.position.isfinite().all() and found.presence is None
    made = method.predict(clip, 3)
    assert made.shape == (2, 3, 3, 32, 32) and made.isfinite().all()
    torch.testing.assert_close(made, method.painted(method.predict_particles(clip, 3)))


def test_controls_do_what_they_say():
    positions = paths(4, 12, wall=5.0) * 0.1
    clip = clips(positions)
    still = CopyLast(**ENCODER).predict_particles(clip[:, :10], 2).position
    moving = ConstantVelocity(**ENCODER, memory=4).predict_particles(clip[:, :10], 2).position
    seen = SpotEncoder(32).particles(clip.flatten(0, 1)).position.unflatten(0, (4, 12))
    torch.testing.assert_close(still, seen[:, 9:10].expand(-1, 2, -1, -1))
    torch.testing.assert_close(moving, seen[:, 10:], atol=1e-3, rtol=0)
    frame = CopyLast(**ENCODER, paints="frame").predict(clip[:, :10], 2)
    assert torch.equal(frame, clip[:, 9:10].expand(-1, 2, -1, -1, -1))


@pytest.mark.parametrize("cls", [GraphDynamics, TransformerDynamics])
def test_walls_are_learned(cls):
    """A straight line leaves through a wall; who has learned turns round there."""
    torch.manual_seed(0)
    args = {"memory": 3, "objective": "matched", "inertia": "velocity", "hidden": 32}
    if cls is GraphDynamics:
        args |= {"convolution": "edge", "rollout": 2}
    method, batch = cls(**ENCODER, **args).train(), batch_of(64, 16)
    optimiser = torch.optim.Adam(method.step.parameters(), 3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        method.losses(batch)["loss"].backward()
        optimiser.step()
    test = batch_of(32, 20, seed=1)["clip"]
    true = method.tracked(test).position[:, 10:]
    errors = [
        (m.eval().predict_particles(test[:, :10], 10).position - true).norm(dim=-1).mean().item()
        for m in (method, ConstantVelocity(**ENCODER), CopyLast(**ENCODER))
    ]
    assert errors[0] < 0.7 * errors[1] < errors[2] * 2


def test_a_checkpoint_holds_the_encoder_and_loads_alone(tmp_path):
    method = GraphDynamics(**ENCODER, encoder_args={"image_size": 32, "scale": 1.0})
    method.start_from(SpotEncoder(32, 0.5).state_dict())
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.strategy.connect(method)
    trainer.save_checkpoint(tmp_path / "method.ckpt")
    again = GraphDynamics.load_from_checkpoint(tmp_path / "method.ckpt", weights_only=True)
    assert again.encoder.scale.item() == 0.5 and not again.encoder.scale.requires_grad
    clip = batch_of(2, 10)["clip"]
    torch.testing.assert_close(again.eval().predict(clip, 4), method.eval().predict(clip, 4))


def test_the_encoder_keeps_its_own_arguments():
    args = {"image_size": 32, "scale": 0.5}
    method = GraphDynamics(32, "spots", args, hidden=24)
    assert dict(method.encoder.hparams) == args and method.hparams["encoder_args"] == args
    slim = {"image_size": 64, "patch_size": 8, "channels": (8, 16), "first_stride": 2}
    slim |= {"decoder_channels": (16,), "prior_channels": (8, 8), "hidden": (16,)}
    on_dlp = GraphDynamics(64, "dlp_objects", slim, hidden=24)
    assert on_dlp.encoder.hparams["hidden"] == (16,) and on_dlp.state_size == 7


def test_what_has_no_particles_is_no_encoder():
    with pytest.raises(TypeError, match="encoder 'vae'"):
        GraphDynamics(image_size=64, encoder="vae")
    with pytest.raises(TypeError, match="builds on no other"):
        SpotEncoder().start_from({})
