"""A judge: a network that tells from one frame what it shows and how, fitted on real frames.

It is asked about frames that a method paints of codes of two clips; its own answers on real frames
of characters it has not seen stand beside that. One small network for all of a dataset's labels:
four convolutions on frames shrunk to 32 px, and one answer a label: a class, a set of classes
(digits of a frame), or numbers. Beside what is where, it sees mean and maximum of every map:
colours, and digits wherever they are. In fitting, half of the frames are blurred, for painted ones
are. It hangs on the data alone, so the cells of a table share one.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.kept import kept_by_all
from benchmarks.protocols.sequence_labels import TARGETS, likeliest

SIDE: Final = 32
STEPS: Final = 3000
PASSES: Final = 30
"""Over the frames at most, where there are few."""
BATCH: Final = 128
RATE: Final = 3e-3
JUDGED: Final = tuple(name for name in TARGETS if name not in ("action", "direction", "positions"))
"""A pose says action and direction; which of two swapped digits is which, nobody can say."""
_HIDDEN: Final = 128
_WIDTHS: Final = (16, 32, 64, 64)
_STRIDES: Final = (2, 2, 1, 2)
_MANY: Final = 10.0
"""Makes means over a picture, which tell its colours, as large as what single places say."""
_CHUNK: Final = 1024


def looked_at(clip: Tensor) -> Tensor:
    """What the judge looks at of ``clip`` (B, T, C, H, W) in [0, 1]: (B, T, 3, SIDE, SIDE) uint8.

    Three channels whether the frames are grey or not.
    """
    small = F.adaptive_avg_pool2d(clip.flatten(0, 1), SIDE)
    shown = (small * 255).round().byte().expand(-1, 3, -1, -1)
    return shown.view(*clip.shape[:2], 3, SIDE, SIDE)


class FrameJudge(nn.Module):
    """Answers (B, outputs) about frames as `looked_at` gives them.

    Args:
        outputs: how many numbers answer each label.
    """

    def __init__(self, outputs: dict[str, int]) -> None:
        super().__init__()
        self.outputs = outputs
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=stride, padding=1)
            for (before, after), stride in zip(
                itertools.pairwise((3, *_WIDTHS)), _STRIDES, strict=True
            )
        )
        last = _WIDTHS[-1] * (SIDE // math.prod(_STRIDES)) ** 2
        self.hidden = nn.Linear(last + 2 * sum(_WIDTHS), _HIDDEN)
        self.answer = nn.Linear(_HIDDEN, sum(outputs.values()))

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Raw answers (B, outputs) by label of frames (B, 3, SIDE, SIDE) in [0, 1]."""
        maps = 2 * frames - 1
        overall: list[Tensor] = []
        for layer in self.convolutions:
            maps = layer(maps).relu()
            overall += [_MANY * maps.mean((2, 3)), maps.amax((2, 3))]
        found = self.answer(self.hidden(torch.cat([maps.flatten(1), *overall], 1)).relu())
        return dict(zip(self.outputs, found.split(list(self.outputs.values()), dim=1), strict=True))


class FittedJudge:
    """A judge with the scale of the numbers it was fitted on.

    Args:
        network: fitted.
        counts: classes in a set, by label.
        scale: mean and deviation of the numbers of a label.
    """

    def __init__(
        self, network: FrameJudge, counts: dict[str, int], scale: dict[str, tuple[Array, Array]]
    ) -> None:
        self.network, self.counts, self.scale = network, counts, scale

    @torch.no_grad()
    def says(self, frames: Tensor) -> dict[str, Array]:
        """What it sees in frames (M, 3, SIDE, SIDE) uint8, by label.

        Classes (M,), sets of classes (M, n), numbers (M, D).
        """
        device = next(self.network.parameters()).device
        parts = [
            self.network(part.to(device).float() / 255) for part in torch.split(frames, _CHUNK)
        ]
        found = {}
        for name in self.network.outputs:
            raw = torch.cat([part[name] for part in parts]).cpu().numpy()
            kind = TARGETS[name].kind
            if kind == "class":
                found[name] = raw.argmax(1)
            elif kind == "set":
                found[name] = likeliest(raw, self.counts[name])
            else:
                mean, deviation = self.scale[name]
                found[name] = raw * deviation + mean
        return found


def fit_judge(
    frames: Tensor, labels: dict[str, Array], *, device: torch.device, seed: int
) -> FittedJudge:
    """A judge fitted on M frames.

    Weights and order are drawn on the CPU, so that no device changes them.

    Args:
        frames: (M, 3, SIDE, SIDE) uint8.
        labels: of frames, by the names in `JUDGED`: classes (M,), sets (M, n), numbers (M, ...).
        device: to compute on.
        seed: of weights and order.
    """
    outputs, counts, scale = {}, {}, {}
    wanted: dict[str, Tensor] = {}
    for name, value in labels.items():
        if TARGETS[name].kind in ("class", "set"):
            outputs[name] = int(value.max()) + 1
            wanted[name] = torch.from_numpy(value)
            counts[name] = 1 if value.ndim == 1 else value.shape[1]
        else:
            numbers = value.reshape(len(value), -1)
            scale[name] = mean, deviation = numbers.mean(0), numbers.std(0) + 1e-6
            outputs[name] = numbers.shape[1]
            wanted[name] = torch.from_numpy((numbers - mean) / deviation).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FrameJudge(outputs)
    # The network's own first weights tell `kept_by_all` its layers apart from another's.
    weights = kept_by_all(
        fitted_weights, network, frames, *wanted.items(), device=str(device), seed=seed
    )
    network.load_state_dict(weights)
    return FittedJudge(network.to(device).eval().requires_grad_(False), counts, scale)


def fitted_weights(
    network: FrameJudge, frames: Tensor, *wanted: tuple[str, Tensor], device: str, seed: int
) -> dict[str, Tensor]:
    """Weights of ``network``, fitted on frames (M, 3, SIDE, SIDE) uint8 and their labels."""
    generator = torch.Generator().manual_seed(seed)
    network.to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    steps = min(STEPS, PASSES * -(-len(frames) // BATCH))
    for step in range(steps):
        rows = torch.randint(0, len(frames), (BATCH,), generator=generator)
        shown = frames[rows].to(device).float() / 255
        shown[::2] = F.avg_pool2d(shown[::2], 3, stride=1, padding=1, count_include_pad=False)
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        with torch.enable_grad():
            optimizer.zero_grad()
            answers = network(shown)
            loss = torch.stack(
                [_missed(name, answers[name], label[rows].to(device)) for name, label in wanted]
            ).sum()
            torch.autograd.backward(loss)
        optimizer.step()
    return {name: weight.detach().cpu() for name, weight in network.state_dict().items()}


def _missed(name: str, answer: Tensor, wanted: Tensor) -> Tensor:
    kind = TARGETS[name].kind
    if kind == "class":
        return F.cross_entropy(answer, wanted)
    if kind == "set":
        inside = torch.zeros_like(answer).scatter_(1, wanted, 1.0)
        return 4 * F.binary_cross_entropy_with_logits(answer, inside)
    return F.mse_loss(answer, wanted)
