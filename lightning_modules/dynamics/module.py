"""Dynamics over the particles of a frozen encoder (after Daniel and Tamar, ICML 2022, web page).

The page shows videos of it, and no number is at hand; of its code the layer and the evaluation loop
are on record, not the training. What is not on record says so below.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from lightning_modules.dynamics.encoded import Answers
from lightning_modules.dynamics.losses import chamfer, matched
from lightning_modules.dynamics.network import (
    Convolution,
    GraphStep,
    Inertia,
    Step,
    TransformerStep,
    roll_out,
)
from lightning_modules.dynamics.predictor import ParticlePredictor
from lightning_modules.dynamics.tracking import of_fields
from lightning_modules.interface import Batch, Particles
from lightning_modules.layers.perceptual import VGGLoss, summed_squared_error
from lightning_modules.layers.processes import shared
from lightning_modules.schedules import trapezoid

Objective = Literal["chamfer", "matched", "mse", "vgg"]


class LearnedDynamics(ParticlePredictor):
    """Base of dynamics that are learned.

    Args:
        objective: ``chamfer`` on states, squared error of pixels (``mse``) or also of VGG16's
            features (``vgg``, needs a weights file) of decoded frames: the paper's three; or
            ``matched``, see `lightning_modules.dynamics.losses.matched`.
        memory: frames that a prediction sees (paper: 1).
        rollout: steps predicted one from the other in training (paper: 1); the first is from
            encoded states alone.
        position_step: bound of a position's delta a frame (paper: 0.4).
        feature_step: of a feature's (paper: 0.04).
        inertia: what deltas are from, see `Step`.
        feature_weight: of features in the loss ``matched``.
        learning_rate: of Adam (not on record).
        encoder_settings: those of `ParticlePredictor`.
    """

    step: Step

    def __init__(
        self,
        *,
        objective: Objective,
        memory: int,
        rollout: int,
        feature_weight: float,
        learning_rate: float,
        **encoder_settings: Any,
    ) -> None:
        super().__init__(**encoder_settings)
        if memory < 1 or rollout < 1:
            raise ValueError(f"memory and rollout must be at least 1, got {memory}, {rollout}")
        if objective not in ("chamfer", "matched", "mse", "vgg"):
            raise ValueError(f"objective must be chamfer, matched, mse or vgg, got {objective!r}")
        self.objective, self.memory, self.rollout = objective, memory, rollout
        self.feature_weight, self.learning_rate = feature_weight, learning_rate
        self.perceptual = VGGLoss() if objective == "vgg" else None
        self._answers = {True: Answers(), False: Answers()}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of all windows of ``memory`` + ``rollout`` frames of the batch's clips.

        Losses of decoded frames take one window of each clip, at random: painting is dear.
        ``step`` is the mean distance of predicted positions, one frame on, in units of [-1, 1].

        Raises:
            ValueError: clips are too short.
        """
        clip = batch["clip"]
        needed = self.memory + self.rollout
        if clip.shape[1] < needed:
            raise ValueError(
                f"windows of {needed} frames (memory {self.memory}, rollout {self.rollout}) are "
                f"learned from, and clips have {clip.shape[1]}; ask for longer clips (data.frames)"
            )
        seen = self._answers[self.training].of(clip, batch["index"], self.tracked)
        windows = self.states(seen).unfold(1, needed, 1).movedim(-1, 2)  # (B, W, L, K, S)
        if self.objective in ("mse", "vgg"):
            return self._painted_loss(clip, seen, windows)
        return self._state_loss(windows.flatten(0, 1))

    def _state_loss(self, windows: Tensor) -> dict[str, Tensor]:
        history, total = windows[:, : self.memory], windows.new_zeros(())
        moved = total
        for late in range(self.rollout):
            out = self.step(history)
            end = self.memory + late + 1
            wanted = windows[:, end - out.shape[1] : end]
            if self.objective == "chamfer":
                total = total + chamfer(out, wanted)
            else:
                total = total + matched(out, wanted, self.feature_weight)
            if not late:
                moved = (out - wanted)[:, -1, :, :2].norm(dim=-1).mean()
            history = torch.cat([history, out[:, -1:]], 1)[:, -self.memory :]
        return {"loss": total / self.rollout, "step": moved}

    def _painted_loss(self, clip: Tensor, seen: Particles, windows: Tensor) -> dict[str, Tensor]:
        count, places = len(clip), windows.shape[1]
        place = shared(lambda n: torch.randint(places, (n,)), count).to(clip.device)
        rows = torch.arange(count, device=clip.device)
        window = windows[rows, place]
        made = roll_out(self.step, window[:, : self.memory], self.rollout)
        last = place + self.memory - 1
        held = of_fields(lambda field: field[rows, last], seen)
        painted = self.painted(self.with_states(held, made))
        frames = last.unsqueeze(1) + torch.arange(1, self.rollout + 1, device=clip.device)
        wanted = clip[rows.unsqueeze(1), frames]
        measure = summed_squared_error if self.perceptual is None else self.perceptual
        moved = (made - window[:, self.memory :])[:, 0, :, :2].norm(dim=-1).mean()
        return {"loss": measure(painted.flatten(0, 1), wanted.flatten(0, 1)), "step": moved}

    def continue_states(self, states: Tensor, horizon: int) -> Tensor:
        """States (B, horizon, K, S) that follow ``states`` (B, T, K, S), of which the last count.

        Where T is less than ``memory``, the first is repeated: what stood still before.
        """
        missing = self.memory - states.shape[1]
        if missing > 0:
            states = torch.cat([states[:, :1].expand(-1, missing, -1, -1), states], 1)
        return roll_out(self.step, states[:, -self.memory :], horizon)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, at a rate that falls to zero over the run's last fifth (neither is on record)."""
        optimizer = torch.optim.Adam(self.step.parameters(), lr=self.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        return trapezoid(optimizer, steps)


class GraphDynamics(LearnedDynamics):
    """A graph network over particles; the defaults are the paper's, as far as they are on record.

    Args:
        image_size: side of the frames, pixels.
        encoder: id of the method whose particles these are; it is frozen.
        encoder_args: its arguments.
        convolution: ``gcn`` or ``gated`` (paper: either), or ``edge``, see `EdgeConv`.
        hidden: width (not on record).
        radius: of a neighbourhood, in units of [-1, 1].
        neighbours: of a particle, itself counted, at most.
        objective: see `LearnedDynamics`, as all that follow.
        memory: frames that a prediction sees.
        rollout: steps predicted one from the other in training.
        position_step: bound of a position's delta.
        feature_step: of a feature's.
        inertia: what deltas are from, ``rest`` or ``velocity``.
        feature_weight: of features in the loss ``matched``.
        learning_rate: of Adam.
    """

    def __init__(
        self,
        image_size: int = 128,
        encoder: str = "dlp_objects",
        encoder_args: dict[str, Any] | None = None,
        convolution: Convolution = "gcn",
        hidden: int = 128,
        radius: float = 0.2,
        neighbours: int = 10,
        objective: Objective = "chamfer",
        memory: int = 1,
        rollout: int = 1,
        position_step: float = 0.4,
        feature_step: float = 0.04,
        inertia: Inertia = "rest",
        feature_weight: float = 0.05,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(
            objective=objective,
            memory=memory,
            rollout=rollout,
            feature_weight=feature_weight,
            learning_rate=learning_rate,
            image_size=image_size,
            encoder=encoder,
            encoder_args=encoder_args,
        )
        self.save_hyperparameters()
        self.step = GraphStep(
            self.state_size,
            memory=memory,
            convolution=convolution,
            hidden=hidden,
            radius=radius,
            neighbours=neighbours,
            bounds=(position_step, feature_step, inertia),
        )


class TransformerDynamics(LearnedDynamics):
    """A small causal transformer over the particles of all frames seen.

    Args:
        image_size: side of the frames, pixels.
        encoder: id of the method whose particles these are; it is frozen.
        encoder_args: its arguments.
        hidden: width of a token.
        layers: of attention.
        heads: of each.
        objective: see `LearnedDynamics`, as all that follow.
        memory: frames that a prediction sees.
        rollout: steps predicted one from the other in training.
        position_step: bound of a position's delta.
        feature_step: of a feature's.
        inertia: what deltas are from, ``rest`` or ``velocity``.
        feature_weight: of features in the loss ``matched``.
        learning_rate: of Adam.
    """

    def __init__(
        self,
        image_size: int = 128,
        encoder: str = "dlp_objects",
        encoder_args: dict[str, Any] | None = None,
        hidden: int = 64,
        layers: int = 2,
        heads: int = 4,
        objective: Objective = "matched",
        memory: int = 6,
        rollout: int = 1,
        position_step: float = 0.4,
        feature_step: float = 0.04,
        inertia: Inertia = "velocity",
        feature_weight: float = 0.05,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(
            objective=objective,
            memory=memory,
            rollout=rollout,
            feature_weight=feature_weight,
            learning_rate=learning_rate,
            image_size=image_size,
            encoder=encoder,
            encoder_args=encoder_args,
        )
        self.save_hyperparameters()
        self.step = TransformerStep(
            self.state_size,
            memory=memory,
            hidden=hidden,
            layers=layers,
            heads=heads,
            bounds=(position_step, feature_step, inertia),
        )
