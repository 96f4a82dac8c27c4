"""Networks over sets of particles: what moves them from one frame to the next.

The graph network is that of the first version of Daniel and Tamar's code (ICML 2022; the paper
shows its videos and prints no layer): a graph of particles that are near each other, two graph
convolutions with a perceptron between them, and bounded deltas. Its edge convolution and the
transformer are the suite's own. All is dense: K particles are few, so a graph is a (K, K) mask.

A state is a particle's position, 2 numbers in [-1, 1], and its features.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.layers.blocks import mlp

Convolution = Literal["gcn", "gated", "edge"]
Inertia = Literal["rest", "velocity"]

VELOCITY_SCALE = 20.0
"""Displacements of a frame are some hundredths: as inputs they are brought to the order of 1."""


def radius_graph(position: Tensor, radius: float, neighbours: int) -> Tensor:
    """Who hears whom: (N, K, K) bool, row i the particles that i hears, itself among them.

    Args:
        position: (N, K, 2).
        radius: of a neighbourhood, in units of [-1, 1]; infinite for the nearest ones wherever
            they are.
        neighbours: at most so many of the nearest, the particle itself counted.
    """
    distance = torch.cdist(position, position)
    itself = torch.eye(position.shape[1], dtype=torch.bool, device=position.device)
    # Two particles in one place are both at distance 0: who hears must not be crowded out.
    distance = distance.masked_fill(itself, -1.0)
    count = min(neighbours, position.shape[1])
    near = torch.zeros_like(distance, dtype=torch.bool)
    near.scatter_(2, distance.topk(count, 2, largest=False).indices, True)
    return near & (distance < radius)


class GCN(nn.Module):
    """D^-1/2 A D^-1/2 X W + b (Kipf and Welling, ICLR 2017), A with self-loops."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, graph: Tensor, position: Tensor) -> Tensor:
        """(N, K, inputs) -> (N, K, outputs)."""
        edges = graph.to(x.dtype)
        scale = edges.sum(2).rsqrt()
        mixed: Tensor = (scale.unsqueeze(2) * edges * scale.unsqueeze(1)) @ self.linear(x)
        return mixed + self.bias

    def start_still(self) -> None:
        """Give zeros at first."""
        _zero(self.linear)


class GatedConv(nn.Module):
    """W1 x_i + sum_j sigmoid(W3 x_i + W4 x_j) W2 x_j (Bresson and Laurent, 2017)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.value = nn.Linear(inputs, outputs)
        self.gate_to = nn.Linear(inputs, outputs)
        self.gate_from = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, graph: Tensor, position: Tensor) -> Tensor:
        """(N, K, inputs) -> (N, K, outputs)."""
        gates = (self.gate_to(x).unsqueeze(2) + self.gate_from(x).unsqueeze(1)).sigmoid()
        heard: Tensor = gates * self.value(x).unsqueeze(1) * graph.unsqueeze(-1)
        out: Tensor = heard.sum(2) + self.own(x)
        return out

    def start_still(self) -> None:
        """Give zeros at first."""
        _zero(self.own, self.value)


class EdgeConv(nn.Module):
    """W x_i + sum_j MLP([x_i, x_j, p_j - p_i]): what collides has to know from which side.

    differs from the paper: neither of its convolutions is told where a neighbour lies.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.hears = nn.Linear(inputs, outputs)
        self.heard = nn.Linear(inputs, outputs)
        self.along = nn.Linear(3, outputs)
        self.out = nn.Linear(outputs, outputs)

    def forward(self, x: Tensor, graph: Tensor, position: Tensor) -> Tensor:
        """(N, K, inputs) -> (N, K, outputs)."""
        apart = position.unsqueeze(1) - position.unsqueeze(2)
        apart = torch.cat([apart, apart.norm(dim=-1, keepdim=True)], -1)
        hidden = self.hears(x).unsqueeze(2) + self.heard(x).unsqueeze(1) + self.along(4 * apart)
        others = graph & ~torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        message: Tensor = self.out(hidden.relu()) * others.unsqueeze(-1)
        out: Tensor = message.sum(2) + self.own(x)
        return out

    def start_still(self) -> None:
        """Give zeros at first."""
        _zero(self.own, self.out)


def _zero(*layers: nn.Linear) -> None:
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)


_CONVOLUTIONS: dict[str, type[GCN | GatedConv | EdgeConv]] = {
    "gcn": GCN,
    "gated": GatedConv,
    "edge": EdgeConv,
}


class Step(nn.Module):
    """From the states of some frames to those of the next: bounded deltas.

    Args:
        position_step: a position moves by at most this in a frame (paper: 0.4).
        feature_step: a feature changes by at most this (paper: 0.04).
        inertia: deltas are from ``rest`` (paper), or from going on by the last ``velocity``, which
            is then what a network does before it has learned anything.
    """

    def __init__(self, position_step: float, feature_step: float, inertia: Inertia) -> None:
        super().__init__()
        self.position_step, self.feature_step, self.inertia = position_step, feature_step, inertia

    def raw(self, history: Tensor) -> Tensor:
        """Unbounded deltas (N, m, K, S) of the last m frames of ``history`` (N, M, K, S)."""
        raise NotImplementedError

    def forward(self, history: Tensor) -> Tensor:
        """States (N, m, K, S) that follow the last m frames of ``history`` (N, M, K, S)."""
        out = self.raw(history)
        last = history[:, -out.shape[1] :]
        moved = self.position_step * out[..., :2].tanh()
        if self.inertia == "velocity":
            moved = moved + velocities(history)[:, -out.shape[1] :]
        changed = self.feature_step * out[..., 2:].tanh()
        return last + torch.cat([moved, changed], -1)


def velocities(history: Tensor) -> Tensor:
    """Displacement (N, M, K, 2) of states (N, M, K, S) since the frame before; 0 of the first."""
    position = history[..., :2]
    return torch.cat([torch.zeros_like(position[:, :1]), position.diff(dim=1)], 1)


class GraphStep(Step):
    """Graph convolution, perceptron, graph convolution (first version of the authors' code).

    Args:
        state: numbers of a particle's state, S.
        memory: frames it sees; with 1 (paper) it knows no velocity.
        convolution: ``gcn``, ``gated`` (paper: either), or ``edge``, see `EdgeConv`.
        hidden: width (not on record).
        radius: of a neighbourhood.
        neighbours: of a particle, itself counted, at most.
        bounds: arguments of `Step`.
    """

    def __init__(
        self,
        state: int,
        *,
        memory: int,
        convolution: Convolution,
        hidden: int,
        radius: float,
        neighbours: int,
        bounds: tuple[float, float, Inertia],
    ) -> None:
        super().__init__(*bounds)
        self.memory, self.radius, self.neighbours = memory, radius, neighbours
        conv = _CONVOLUTIONS[convolution]
        self.first = conv(state + 2 * (memory - 1), hidden)
        self.middle = mlp(hidden, hidden, hidden)
        self.last = conv(hidden, state)
        if self.inertia == "velocity":
            self.last.start_still()

    def raw(self, history: Tensor) -> Tensor:
        """Deltas (N, 1, K, S) of the last frame alone."""
        history = history[:, -self.memory :]
        position = history[:, -1, :, :2]
        moved = VELOCITY_SCALE * velocities(history)[:, 1:]
        x = torch.cat([history[:, -1], moved.transpose(1, 2).flatten(2)], -1)
        graph = radius_graph(position, self.radius, self.neighbours)
        h = self.first(x, graph, position).relu()
        h = self.middle(h)
        out: Tensor = self.last(h, graph, position)
        return out.unsqueeze(1)


class TransformerStep(Step):
    """Attention over the particles of this frame and of all before it.

    A token is a particle in a frame. After DDLP (Daniel and Tamar, 2023), whose transformer has six
    layers of 256; differs from it: tokens know their velocity, for they have no name to be found
    by in the frame before.

    Args:
        state: numbers of a particle's state, S.
        memory: frames it sees at most.
        hidden: width of a token.
        layers: of attention.
        heads: of each.
        bounds: arguments of `Step`.
    """

    def __init__(
        self,
        state: int,
        *,
        memory: int,
        hidden: int,
        layers: int,
        heads: int,
        bounds: tuple[float, float, Inertia],
    ) -> None:
        super().__init__(*bounds)
        self.memory = memory
        self.embed = nn.Linear(state + 2, hidden)
        self.time = nn.Parameter(0.02 * torch.randn(memory, hidden))
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 4 * hidden, dropout=0.0, batch_first=True, norm_first=True
        )
        self.attention = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(hidden), enable_nested_tensor=False
        )
        self.out = nn.Linear(hidden, state)
        if self.inertia == "velocity":
            _zero(self.out)

    def raw(self, history: Tensor) -> Tensor:
        """Deltas of all frames but the first, whose velocity nobody knows; of a single one."""
        history = history[:, -self.memory :]
        frames, count = history.shape[1:3]
        tokens = self.embed(torch.cat([history, VELOCITY_SCALE * velocities(history)], -1))
        tokens = (tokens + self.time[-frames:, None]).flatten(1, 2)
        when = torch.arange(frames, device=history.device).repeat_interleave(count)
        later = when > when.unsqueeze(1)
        out: Tensor = self.out(self.attention(tokens, mask=later))
        out = out.view(*history.shape[:3], -1)
        return out[:, 1:] if frames > 1 else out


def roll_out(step: Step, history: Tensor, horizon: int) -> Tensor:
    """States (N, horizon, K, S) that follow ``history`` (N, M, K, S), each from those before it."""
    frames = history.shape[1]
    made = []
    for _ in range(horizon):
        made.append(step(history)[:, -1:])
        history = torch.cat([history, made[-1]], 1)[:, -frames:]
    return torch.cat(made, 1)
