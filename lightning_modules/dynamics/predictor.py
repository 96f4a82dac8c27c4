"""Predicting the frames of a clip by the particles of a frozen encoder.

An encoder is another method with particles, trained before; a method here holds it whole, so that
its checkpoint loads alone. Where a table trains it is said in the table (`starts_from`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from lightning_modules import registry
from lightning_modules.dynamics.tracking import at, joined, of_fields, track
from lightning_modules.interface import HasParticles, Method, Particles, Unit

AT_ONCE: Final = 64
"""Frames that are encoded or painted together."""


class ParticlePredictor(Method):
    """Base of all that tells where particles go next.

    Each frame's particles are lined up with those of the frame before (`tracking.track`). A state
    is a particle's position and features; what else it has, its size, presence, depth and the
    background, is taken to stay as it was in the last frame seen.

    Args:
        image_size: side of the frames, pixels.
        encoder: id of a method that has particles.
        encoder_args: its arguments; None for its defaults, of this image size.

    Raises:
        TypeError: the encoder has no particles, or is itself a predictor.
    """

    sees: ClassVar[Unit] = "clips"

    def __init__(
        self, *, image_size: int, encoder: str, encoder_args: Mapping[str, Any] | None
    ) -> None:
        super().__init__()
        made = _built(encoder, encoder_args or {"image_size": image_size})
        if not isinstance(made, HasParticles) or isinstance(made, ParticlePredictor):
            raise TypeError(f"encoder '{encoder}' is to be a method that has particles")
        self.encoder: Any = made.requires_grad_(False).eval()
        self.painted_by: tuple[str, ...] = made.painted_by
        with torch.no_grad():
            blank = torch.zeros(1, 3, image_size, image_size)
            self.state_size = 2 + made.particles(blank).feature.shape[-1]

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights."""
        self.encoder.load_state_dict(weights)

    def train(self, mode: bool = True) -> ParticlePredictor:
        """As ever, but for the encoder, which stays as it is: its batch norms too."""
        super().train(mode)
        self.encoder.eval()
        return self

    def particles(self, image: Tensor) -> Particles:
        """The encoder's particles of ``image`` (B, C, H, W)."""
        found: Particles = self.encoder.particles(image)
        return found

    def render(self, particles: Particles) -> Tensor:
        """The encoder's picture of particles."""
        image: Tensor = self.encoder.render(particles)
        return image

    def reconstruct(self, image: Tensor) -> Tensor:
        """``image`` as the encoder paints it again."""
        return self.render(self.particles(image))

    @torch.no_grad()
    def tracked(self, clip: Tensor) -> Particles:
        """Particles (B, T, K, ...) of a clip (B, T, C, H, W), lined up from frame to frame."""
        parts = [self.particles(frames) for frames in torch.split(clip.flatten(0, 1), AT_ONCE)]
        return track(of_fields(lambda f: f.view(*clip.shape[:2], *f.shape[1:]), joined(parts)))

    def states(self, particles: Particles) -> Tensor:
        """States (..., K, S) of particles."""
        return torch.cat([particles.position, particles.feature], -1)

    def with_states(self, held: Particles, states: Tensor) -> Particles:
        """Particles (B, H, K, ...) of states (B, H, K, S), the rest as in one frame (B, K, ...)."""
        horizon = states.shape[1]
        kept = of_fields(lambda f: f.unsqueeze(1).expand(-1, horizon, *f.shape[1:]), held)
        return kept._replace(position=states[..., :2], feature=states[..., 2:])

    def painted(self, particles: Particles) -> Tensor:
        """Frames (B, H, C, S, S) of particles (B, H, K, ...), some at a time."""
        flat = of_fields(lambda f: f.flatten(0, 1), particles)
        fields = [None if f is None else torch.split(f, AT_ONCE) for f in flat]
        parts = [
            self.render(Particles._make(None if f is None else f[n] for f in fields))
            for n in range(-(-len(flat.position) // AT_ONCE))
        ]
        frames = torch.cat(parts)
        return frames.view(*particles.position.shape[:2], *frames.shape[1:])

    def continue_states(self, states: Tensor, horizon: int) -> Tensor:
        """States (B, horizon, K, S) that follow ``states`` (B, T, K, S)."""
        raise NotImplementedError

    @torch.no_grad()
    def predict_particles(self, clip: Tensor, horizon: int) -> Particles:
        """Particles of the ``horizon`` frames that follow ``clip``, each from those before it."""
        seen = self.tracked(clip)
        last = at(seen, -1)
        return self.with_states(last, self.continue_states(self.states(seen), horizon))

    @torch.no_grad()
    def predict(self, clip: Tensor, horizon: int) -> Tensor:
        """The ``horizon`` frames (B, horizon, C, H, W) that follow ``clip`` (B, T, C, H, W)."""
        return self.painted(self.predict_particles(clip, horizon))


def _built(encoder: str, arguments: Mapping[str, Any]) -> Method:
    """The encoder, made outside of any class.

    Within another method's ``__init__``, Lightning would take that one's arguments of the same
    names for the encoder's.
    """
    return registry.load(encoder)(**arguments)
