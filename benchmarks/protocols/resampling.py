"""Whether *where* carries the expression: a judge looks at clips whose other code is drawn anew.

The protocol in use for MUG since S3VAE (Zhu et al., CVPR 2020), here between persons. A judge
(see `benchmarks.protocols.judge`) learns six expressions from real clips of split ``train``. Then,
of clips of split ``test``, whose persons it has never seen, it is asked about

* the clips themselves, ``judge_acc``: a ceiling, and the measure of the judge;
* as the method paints them again, ``rebuilt_acc``: what its painting costs;
* painted with *what* drawn from the prior, ``resampled_what_acc``: the expression should stay;
* painted with *where* drawn from the prior, ``resampled_where_acc``: it should be gone, to a sixth.

differs from the papers: they have splits, clip lengths and judges of their own, so no number of
theirs stands in a column with these. Intervals draw whole persons.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.protocols.clip_codes import CLIPS, Array, as_clips
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.judge import Judge, fit_judge, looked_at
from benchmarks.protocols.kept import kept
from benchmarks.protocols.outputs import as_tensor, codes_of
from benchmarks.protocols.persons import ratio_interval
from datamodules.interface import DataModule
from lightning_modules.interface import Codes, HasClipCodes, HasClipPrior, Method

VERSION: Final = 2
NEUTRAL: Final = 0
KINDS: Final = {
    "judge_acc": "real",
    "rebuilt_acc": "rebuilt",
    "resampled_what_acc": "what drawn",
    "resampled_where_acc": "where drawn",
}


def train_judge(data: DataModule, classes: int, device: torch.device, *, seed: int) -> Judge:
    """The judge of a dataset that hands out clips: fitted on ``train``, neutral clips left out.

    Raises:
        ValueError: no clip of ``train`` shows an expression.
    """
    clips, labels = [], []
    for loaded in data.eval_dataloader("train", CLIPS):
        batch = data.to_batch(loaded, device)
        moving = batch["expression"] != NEUTRAL
        clips.append(looked_at(batch["clip"][moving]))
        labels.append(batch["expression"][moving] - 1)
    if not sum(map(len, labels)):
        raise ValueError("no clip of split 'train' shows an expression: the judge cannot learn")
    return fit_judge(torch.cat(clips), torch.cat(labels), classes, seed=seed)


def painted(method: Method, clip: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """A clip (B, T, C, H, W) as it is, rebuilt, and with either code drawn anew, by metric.

    Args:
        method: has codes of clips and a prior.
        clip: in [0, 1].
        generator: of the draws, on the CPU.
    """
    assert isinstance(method, HasClipCodes) and isinstance(method, HasClipPrior)
    codes = Codes(**kept(_encoded, method, clip))
    count, frames = clip.shape[:2]
    what = method.draw_what(count, frames, generator).to(clip.device)
    where = method.draw_where(count, frames, generator).to(clip.device)
    shown = {
        "rebuilt_acc": codes,
        "resampled_what_acc": Codes(codes.where, what),
        "resampled_where_acc": Codes(where, codes.what),
    }
    made = {
        name: as_tensor(method, "decode_clip", method.decode_clip(each), *clip.shape).clamp(0, 1)
        for name, each in shown.items()
    }
    return {"judge_acc": clip} | made


def _encoded(method: HasClipCodes, clip: Tensor) -> dict[str, Tensor]:
    return codes_of(method, "encode_clip", method.encode_clip(clip), *clip.shape[:2])._asdict()


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on the clips of ``test``, with a judge fitted on those of ``train``.

    ``arrays`` holds ``class_names`` (6,) and for every metric ``confusion_METRIC`` (6, 6), counts
    of clips by true class (rows) and the judge's.

    Raises:
        NotApplicableError: the method has no codes of clips or cannot draw them.
        ValueError: what it paints is not finite.
    """
    if not isinstance(method, HasClipCodes) or not isinstance(method, HasClipPrior):
        raise NotApplicableError(f"{type(method).__name__} has no codes of clips with a prior")
    method = method.to(device).eval()
    names = [name for k, name in enumerate(data.label_names["expression"]) if k != NEUTRAL]
    generator = torch.Generator().manual_seed(seed)
    said: dict[str, list[Array]] = {name: [] for name in KINDS}
    labels, persons = [], []
    with as_clips(data):
        judge = train_judge(data, len(names), device, seed=seed)
        for loaded in data.eval_dataloader("test", CLIPS):
            batch = data.to_batch(loaded, device)
            moving = batch["expression"] != NEUTRAL
            if not moving.any():
                continue
            for name, clip in painted(method, batch["clip"][moving], generator).items():
                if not torch.isfinite(clip).all():
                    raise ValueError(
                        f"{type(method).__name__} paints clips that are not finite ({KINDS[name]})"
                    )
                said[name].append(judge.verdict(looked_at(clip)).cpu().numpy())
            labels.append((batch["expression"][moving] - 1).cpu().numpy())
            persons.append(batch["identity"][moving].cpu().numpy())
    label, person = np.concatenate(labels), np.concatenate(persons)
    metrics, intervals = {}, {}
    arrays: dict[str, Array] = {"class_names": np.array(names)}
    for name, parts in said.items():
        verdict = np.concatenate(parts)
        right = 100.0 * (verdict == label)
        metrics[name] = float(right.mean())
        intervals[name] = ratio_interval(right, np.ones_like(right), person)
        confusion = np.zeros((len(names), len(names)), np.int64)
        np.add.at(confusion, (label, verdict), 1)
        arrays[f"confusion_{name}"] = confusion
    return ProtocolResult(metrics, intervals, arrays)
