"""How the codes of a clip follow from its first ones and from noise (Xing et al. 2022, section 4).

A stream, of appearance or of geometry, has codes ``z_t = z_0 + s_t`` with ``s_0 = 0`` and
``s_{t+1} = f([s_t, xi_{t+1}])``. What is inferred of a clip is z_0 and every xi, all standard
normal under the prior; the rest follows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.layers.deconv import Dense

TransitionKind = Literal["mlp", "residual"]


class Transition(nn.Module):
    """One stream: the network f, and the codes that come of it (Table V, lower half).

    Args:
        state: length of s and z.
        noise: length of xi.
        hidden: widths of the hidden layers, each with ReLU.
        kind: ``mlp``, ``s' = tanh(MLP([s, xi]))`` (paper); or ``residual``,
            ``s' = tanh(MLP([s, xi]) + s)``, as in the Dynamic Generator (Xie et al., AAAI 2019).
        truncate: frames after which no gradient goes further back in time through s; 0 for never.
        start: multiplies the first weights of the last layer; 0 is a clip that stands still.
        equalised: draw the weights from a standard normal and scale them at run time by He's
            constant, as the second balance scheme does, so that one learning rate suits both this
            and the generators; else as `Weights` draws them.
    """

    def __init__(
        self,
        state: int,
        noise: int,
        hidden: Sequence[int] = (20, 20),
        kind: TransitionKind = "mlp",
        truncate: int = 0,
        start: float = 1.0,
        equalised: bool = False,
    ) -> None:
        super().__init__()
        if kind not in ("mlp", "residual"):
            raise ValueError(f"transition is 'mlp' or 'residual', got {kind!r}")
        if not hidden:
            raise ValueError("the transition needs a hidden layer, got none")
        self.state, self.noise = state, noise
        self.kind: TransitionKind = kind
        self.truncate = truncate
        widths = itertools.pairwise([state + noise, *hidden, state])
        balance = 1.0 if equalised else None
        self.layers = nn.ModuleList(Dense(a, b, balance) for a, b in widths)
        if start != 1.0:
            for values in self.layers[-1].parameters():
                values.data.mul_(start)

    def forward(self, noise: Tensor) -> Tensor:
        """States (B, T, state), the first ones zero, from xi (B, T - 1, noise)."""
        first, *rest = self.layers
        assert isinstance(first, Dense)
        weight = first.scaled()
        # What xi contributes to the first layer is no recurrence: one product for all frames.
        pushes = F.linear(noise, weight[:, self.state :], first.bias).unbind(1)
        recurrent = weight[:, : self.state]
        s = noise.new_zeros(len(noise), self.state)
        states = [s]
        for t, push in enumerate(pushes):
            if self.truncate and t % self.truncate == 0:
                s = s.detach()
            x = F.linear(s, recurrent) + push
            for layer in rest:
                x = layer(x.relu())
            s = torch.tanh(x + s if self.kind == "residual" else x)
            states.append(s)
        return torch.stack(states, 1)

    def size(self, frames: int) -> int:
        """How many numbers z_0 and every xi of a clip are."""
        return self.state + (frames - 1) * self.noise

    def unroll(self, flat: Tensor, frames: int) -> Tensor:
        """Codes z (B, frames, state) from (B, size): z_0, then every xi."""
        noise = flat[:, self.state :].reshape(len(flat), frames - 1, self.noise)
        states: Tensor = self(noise)
        return flat[:, None, : self.state] + states


class Dynamics(nn.Module):
    """Both streams, and how their numbers lie in one flat code: appearance first, then geometry.

    Args:
        appearance: the stream of appearance.
        geometry: the stream of geometry.
    """

    def __init__(self, appearance: Transition, geometry: Transition) -> None:
        super().__init__()
        self.appearance, self.geometry = appearance, geometry

    def sizes(self, frames: int) -> tuple[int, int]:
        """Length of either part of the flat code of a clip; 237 and 620 for the paper's 60."""
        return self.appearance.size(frames), self.geometry.size(frames)

    def parts(self, frames: int) -> tuple[int, ...]:
        """Length of z_0 and of all xi together, of the one stream and of the other."""
        streams = (self.appearance, self.geometry)
        return tuple(size for s in streams for size in (s.state, s.size(frames) - s.state))

    def forward(self, flat: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Appearance codes and geometric codes, (B, frames, D) each, of flat codes (B, size)."""
        appearance, geometry = torch.split(flat, list(self.sizes(frames)), 1)
        return self.appearance.unroll(appearance, frames), self.geometry.unroll(geometry, frames)
