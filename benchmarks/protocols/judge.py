"""A judge: a network that tells the expression of a clip from its pixels.

It is fitted on real clips of some persons and asked about clips of others, real or painted; the
protocol `resampling` says what for. Ten frames evenly from first to last, shrunk to 32 px; each
frame beside its difference from the clip's mean frame, in standard deviations of that difference
over the clips it is fitted on, goes through three convolutions and a layer norm, the sequence
through the classifier of `benchmarks.protocols.recurrent`. In fitting, clips are mirrored and
moved by up to two pixels, all frames alike, and two thirds of them are blurred, for painted ones
are.

Undivided, motion is so faint beside looks that what is learned hangs on the seed. All this was
chosen on real clips of MUG's stand-in, as they are, blurred and painted by 60 principal components,
of persons of splits ``train`` and ``val`` that were left out in fitting.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.protocols.kept import kept_by_all
from benchmarks.protocols.recurrent import DROPOUT, FEWEST, STEPS, WIDTH, SequenceClassifier

SIDE: Final = 32
EPOCHS: Final = 120
BATCH: Final = 32
RATE: Final = 2e-3
SHIFT: Final = 2
BLURS: Final = (1, 3, 5)
"""Sides of the boxes, pixels, that a third of the clips each is averaged over."""
_FEATURES: Final = 64
_STILL: Final = 1 / 255
"""Below this motion is rounding, and is not blown up to a deviation of one."""
_CHUNK: Final = 128


def looked_at(clip: Tensor) -> Tensor:
    """What the judge looks at of ``clip`` (B, T, C, H, W) in [0, 1]: (B, STEPS, 3, SIDE, SIDE)."""
    steps = torch.linspace(0, clip.shape[1] - 1, STEPS).round().long().to(clip.device)
    frames = clip[:, steps].expand(-1, -1, 3, -1, -1).flatten(0, 1)
    return F.adaptive_avg_pool2d(frames, SIDE).view(len(clip), STEPS, 3, SIDE, SIDE)


def motion_of(clip: Tensor) -> Tensor:
    """How frames of ``clip`` (B, T, C, H, W) differ from its mean frame, in its shape."""
    return clip - clip.mean(1, keepdim=True)


class Judge(nn.Module):
    """Classes of clips as `looked_at` gives them.

    Args:
        classes: number of classes.
        motion: standard deviation of the motion, see `motion_of`, of the clips it is fitted on.
    """

    def __init__(self, classes: int, motion: float) -> None:
        super().__init__()
        self.motion = max(motion, _STILL)
        layers: list[nn.Module] = []
        for before, after in ((6, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.frame = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(64 * (SIDE // 8) ** 2, _FEATURES),
            nn.LayerNorm(_FEATURES),
        )
        self.sequence = SequenceClassifier(_FEATURES, classes)

    def forward(self, clip: Tensor, kept: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of clips (B, T, 3, SIDE, SIDE); ``kept`` as in the classifier."""
        frames = torch.cat([2 * clip - 1, motion_of(clip) / self.motion], 2).flatten(0, 1)
        read = self.frame(frames).view(*clip.shape[:2], _FEATURES)
        logits: Tensor = self.sequence(read, kept)
        return logits

    @torch.no_grad()
    def verdict(self, clip: Tensor) -> Tensor:
        """The class (B,) of every clip."""
        return torch.cat([self(part).argmax(1) for part in torch.split(clip, _CHUNK)])


def fit_judge(clip: Tensor, label: Tensor, classes: int, *, seed: int) -> Judge:
    """A judge fitted on clips (N, STEPS, 3, SIDE, SIDE) with labels (N,).

    Weights, order, dropout and warps are drawn on the CPU, so that no device changes them. It hangs
    on the data and the seed alone, so the cells of a table share one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge(classes, float(motion_of(clip).std()))
    judge.load_state_dict(kept_by_all(fitted_weights, judge, clip, label, seed=seed))
    return judge.to(clip.device)


def fitted_weights(judge: Judge, clip: Tensor, label: Tensor, *, seed: int) -> dict[str, Tensor]:
    """Weights of ``judge``, fitted on clips (N, STEPS, 3, SIDE, SIDE) and their labels (N,)."""
    generator = torch.Generator().manual_seed(seed)
    judge.to(clip.device)
    batch = min(BATCH, -(-len(label) // FEWEST))
    per_epoch = len(label) // batch
    total = EPOCHS * per_epoch
    optimizer = torch.optim.Adam(judge.parameters(), lr=RATE, fused=True)
    for step in range(total):
        if step % per_epoch == 0:
            order = torch.randperm(len(label), generator=generator)
        rows = order[step % per_epoch * batch :][:batch].to(clip.device)
        kept = torch.rand(batch, WIDTH, generator=generator) >= DROPOUT
        shown = _varied(clip[rows], generator)
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / total)
        with torch.enable_grad():
            optimizer.zero_grad()
            logits = judge(shown, kept.to(clip.device))
            torch.autograd.backward(F.cross_entropy(logits, label[rows]))
        optimizer.step()
    return {name: weight.detach().cpu() for name, weight in judge.state_dict().items()}


def _varied(clip: Tensor, generator: torch.Generator) -> Tensor:
    """Clips mirrored, half of them, moved by the same pixels within a batch, and blurred."""
    mirrored = (torch.rand(len(clip), generator=generator) < 0.5).to(clip.device)
    clip = torch.where(mirrored[:, None, None, None, None], clip.flip(-1), clip)
    dy, dx = torch.randint(0, 2 * SHIFT + 1, (2,), generator=generator).tolist()
    padded = F.pad(clip.flatten(0, 1), (SHIFT,) * 4, mode="replicate")
    moved = padded[..., dy : dy + SIDE, dx : dx + SIDE].reshape(clip.shape)
    shown = torch.empty_like(clip)
    for first, side in enumerate(BLURS):
        part = moved[first :: len(BLURS)]
        blurred = F.avg_pool2d(part.flatten(0, 1), side, 1, side // 2, count_include_pad=False)
        shown[first :: len(BLURS)] = blurred.view(part.shape)
    return shown
