"""What comes after ten frames: positions of things, and pictures, v1.

Of each clip of ``test`` the first 10 frames are given, and the rest is predicted. Daniel and Tamar
(ICML 2022) show such videos, and no number is at hand; ten frames are DDLP's (2023).

* Positions. One frame on, visible objects and particles are matched (Hungarian, by SciPy; pairs
  farther apart than `REACH` are none), and a particle stays its object's from then on: errors are
  its distances to the object's true centre while that is in view. Beside it stands the straight
  line: each object's own true velocity in the last frame given, which is no method but what a
  perfect eye could do without knowing of collisions.
* The same against the particles that the method itself finds in the true future frames, tracked:
  what the encoder does not see is then nobody's fault. It needs no truth.
* Objects that hit another since the last frame given, and those that have hit nothing. Those that
  had hit something before are in neither: whether they do again is not on record.
* PSNR and SSIM by horizon, and the share of rollouts of 50 frames that stay finite. Where one does
  not, its clip has no other numbers.

Intervals draw whole clips.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from benchmarks.prediction_metrics import HORIZONS
from benchmarks.protocols.clip_codes import as_clips
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.kept import kept
from benchmarks.protocols.outputs import as_tensor
from benchmarks.protocols.persons import ratio_interval
from datamodules.interface import DataModule
from lightning_modules.dynamics.tracking import joined, nearest, of_fields, track
from lightning_modules.interface import HasParticleDynamics, HasPrediction, Method

VERSION: Final = 1
GIVEN: Final = 10
"""Frames that are shown."""
ROLLOUT: Final = 50
"""Steps that have to stay finite."""
SPLIT_TO: Final = 24
"""Frames on that the split by collisions looks."""
REACH: Final = 0.25
"""A particle is an object's within this distance, in units of [-1, 1]."""
VISIBLE: Final = 0.5
"""Share of an object that has to be in view."""
PRESENT: Final = 0.1
"""Particles of less presence are nobody's."""
CLIPS: Final = 8
SHOWN: Final = 4

Array = np.ndarray


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on the clips of ``test``.

    ``arrays`` holds ``predicted_true`` and ``predicted_made`` (n, T, S, S, 3) uint8, clips and what
    was made of them: the frames given, then those predicted; ``predicted_points`` (n, T, K, 2) of
    the latter, NaN of those given.

    Raises:
        NotApplicableError: the method predicts nothing, or clips are no longer than what is given.
    """
    if not isinstance(method, HasPrediction):
        raise NotApplicableError(f"{type(method).__name__} predicts nothing")
    method = method.to(device).eval()
    parts: list[dict[str, Tensor]] = []
    shown: list[tuple[Tensor, Tensor, Tensor]] = []
    with as_clips(data):
        for loaded in data.eval_dataloader("test", CLIPS):
            batch = data.to_batch(loaded, device)
            clip = batch["clip"]
            if clip.shape[1] <= GIVEN:
                raise NotApplicableError(
                    f"{GIVEN} frames are given, and clips have {clip.shape[1]}: nothing is left"
                )
            truth = tuple(batch.get(f"object_{key}") for key in ("centre", "visible", "collided"))
            parts.append(kept(numbers_of, method, clip, *truth))
            if sum(len(some[0]) for some in shown) < SHOWN:
                shown.append(_shown(method, clip))
    found = {key: torch.cat([part[key] for part in parts]).double().numpy() for key in parts[0]}
    result = scored(found)
    for name, some in zip(("true", "made", "points"), zip(*shown, strict=True), strict=True):
        result.arrays[f"predicted_{name}"] = torch.cat(some)[:SHOWN].cpu().numpy()
    return result


def numbers_of(
    method: Method,
    clip: Tensor,
    centre: Tensor | None,
    visible: Tensor | None,
    collided: Tensor | None,
) -> dict[str, Tensor]:
    """All that is measured of clips (B, T, C, H, W), with F = T - 10 frames to predict, by name.

    ``psnr`` and ``ssim`` (B, F), of the horizons only, NaN elsewhere; ``finite`` (B,); of methods
    with particles ``enc`` (B, F, K), and where the truth is known ``pos`` and ``line`` (B, F, N),
    NaN where there is nothing to compare, ``matched`` (B, N), NaN of no object in view, and ``hit``
    (B, F, N): 1 since a collision in the frames predicted, 0 of who has hit nothing, NaN else.
    """
    given, wanted = clip[:, :GIVEN], clip[:, GIVEN:]
    ahead = wanted.shape[1]
    assert isinstance(method, HasPrediction)
    made = as_tensor(method, "predict", method.predict(given, ahead), *wanted.shape)
    finite = made.flatten(1).isfinite().all(1)
    found = _pictures(made, wanted)
    if isinstance(method, HasParticleDynamics):
        rollout = method.predict_particles(given, max(ahead, ROLLOUT))
        states = torch.cat([rollout.position.flatten(1), rollout.feature.flatten(1)], 1)
        finite &= states.isfinite().all(1)
        predicted = rollout.position[:, :ahead].nan_to_num()
        absent = torch.zeros_like(predicted[:, 0, :, 0], dtype=torch.bool)
        if rollout.presence is not None:
            absent = rollout.presence[:, 0] < PRESENT
        found["enc"] = _against_encoded(method, clip, predicted, absent)
        if centre is not None and visible is not None and bool(centre.isfinite().any()):
            found |= _against_truth(predicted, absent, centre, visible)
            found["hit"] = _hit(torch.zeros_like(visible) if collided is None else collided)
    for values in found.values():
        values[~finite] = torch.nan
    return {key: value.float().cpu() for key, value in found.items()} | {
        "finite": finite.float().cpu()
    }


def scored(found: dict[str, Array]) -> ProtocolResult:
    """Metrics of what `numbers_of` gives, over all clips.

    Raises:
        ValueError: no rollout is finite.
    """
    if not found["finite"].any():
        raise ValueError("no rollout is finite; did the training diverge?")
    result = ProtocolResult({})
    _mean(result, "finite_rollouts", 100 * found["finite"])
    ahead = found["psnr"].shape[1]
    for horizon in (h for h in HORIZONS if h <= ahead):
        for name in ("psnr", "ssim", "pos", "enc", "line"):
            if name in found:
                scale = 1 if name in ("psnr", "ssim") else 50
                _mean(result, f"{name}_h{horizon}", scale * found[name][:, horizon - 1])
    if "hit" in found:
        _mean(result, "objects_matched", 100 * found["matched"])
        near = slice(0, SPLIT_TO)
        for value, ending in ((0, "before"), (1, "after")):
            other = found["hit"][:, near] != value
            for name in ("pos", "line"):
                errors = np.where(other, np.nan, 50 * found[name][:, near])
                _mean(result, f"{name}_{ending}", errors)
    return result


def _mean(result: ProtocolResult, metric: str, values: Array) -> None:
    """The mean of what is no NaN, with its interval over clips (the first axis), if anything is."""
    flat = values.reshape(len(values), -1)
    there = np.isfinite(flat)
    if not there.any():
        return
    sums, counts = np.where(there, flat, 0.0).sum(1), there.sum(1).astype(float)
    result.metrics[metric] = float(sums.sum() / counts.sum())
    result.intervals[metric] = ratio_interval(sums, counts, np.arange(len(values)))


def _pictures(made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """PSNR and SSIM (B, F) at the horizons; NaN between them, for they are dear."""
    size = made.shape[:2]
    psnr, ssim = (made.new_full(size, torch.nan) for _ in range(2))
    places = [h - 1 for h in HORIZONS if h <= size[1]]
    have = made[:, places].nan_to_num().clamp(0, 1).flatten(0, 1)
    want = wanted[:, places].flatten(0, 1)
    psnr[:, places] = peak_signal_noise_ratio(
        have, want, data_range=1.0, reduction="none", dim=(1, 2, 3)
    ).view(size[0], -1)
    of_each = structural_similarity_index_measure(have, want, data_range=1.0, reduction="none")
    assert isinstance(of_each, Tensor)
    ssim[:, places] = of_each.view(size[0], -1)
    # A picture that is right to the last bit has no noise to speak of.
    return {"psnr": psnr.clamp(max=100.0), "ssim": ssim}


def _against_encoded(
    method: HasParticleDynamics, clip: Tensor, predicted: Tensor, absent: Tensor
) -> Tensor:
    """Distances (B, F, K) of particles to those of the true frames, tracked from frame to frame."""
    future = clip[:, GIVEN:]
    seen = joined([method.particles(part) for part in torch.split(future.flatten(0, 1), 64)])
    seen = track(of_fields(lambda f: f.view(*future.shape[:2], *f.shape[1:]), seen))
    gaps = (predicted[:, 0].unsqueeze(2) - seen.position[:, 0].unsqueeze(1)).square().sum(-1)
    order = nearest(gaps).view(len(clip), 1, -1, 1).expand_as(predicted)
    distance: Tensor = (predicted - seen.position.gather(2, order)).norm(dim=-1)
    return distance.masked_fill(absent.unsqueeze(1), torch.nan)


def _against_truth(
    predicted: Tensor, absent: Tensor, centre: Tensor, visible: Tensor
) -> dict[str, Tensor]:
    """Distances (B, F, N) to objects, of their particles and lines; and who is matched."""
    ahead = predicted.shape[1]
    in_view = (visible.nan_to_num() >= VISIBLE) & centre.isfinite().all(-1)
    wanted = centre[:, GIVEN:]
    gaps = (wanted[:, 0].unsqueeze(2) - predicted[:, 0].unsqueeze(1)).norm(dim=-1)
    barred = ~in_view[:, GIVEN].unsqueeze(2) | absent.unsqueeze(1) | ~(gaps < REACH)
    particle, matched = _matched(gaps.masked_fill(barred, 1e3))
    place = particle.view(len(particle), 1, -1, 1).expand(-1, ahead, -1, 2)
    known = in_view[:, GIVEN:] & matched.unsqueeze(1)
    velocity = centre[:, GIVEN - 1] - centre[:, GIVEN - 2]
    steps = torch.arange(1, ahead + 1, device=centre.device).view(1, -1, 1, 1)
    line = centre[:, GIVEN - 1].unsqueeze(1) + steps * velocity.unsqueeze(1)
    off = {"pos": predicted.gather(2, place) - wanted, "line": line - wanted}
    found = {k: v.norm(dim=-1).masked_fill(~known, torch.nan) for k, v in off.items()}
    found["matched"] = matched.float().masked_fill(~in_view[:, GIVEN], torch.nan)
    return found


def _matched(cost: Tensor) -> tuple[Tensor, Tensor]:
    """The particle (B, N) of every object, and whether it has one; cost (B, N, K), 1e3 if barred.

    SciPy takes one matrix at a time.
    """
    particle = torch.zeros(cost.shape[:2], dtype=torch.long)
    paired = torch.zeros(cost.shape[:2], dtype=torch.bool)
    for clip, one in enumerate(cost.cpu()):
        rows, columns = (torch.from_numpy(x) for x in linear_sum_assignment(one.numpy()))
        particle[clip, rows] = columns
        paired[clip, rows] = one[rows, columns] < REACH
    return particle.to(cost.device), paired.to(cost.device)


def _hit(collided: Tensor) -> Tensor:
    """(B, F, N): 1 since a collision in frames predicted, 0 of who has hit nothing, NaN else."""
    now = collided[:, GIVEN:].float()
    before = collided[:, GIVEN - 1].unsqueeze(1) > 0
    return now.masked_fill(before, torch.nan)


def _shown(method: HasPrediction, clip: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Some clips and what is made of them, as bytes with channels last; points of particles."""
    clip = clip[:SHOWN]
    given, ahead = clip[:, :GIVEN], clip.shape[1] - GIVEN
    made = torch.cat([given, method.predict(given, ahead)], 1)
    true, painted = (
        (x.nan_to_num().clamp(0, 1) * 255).round().byte().movedim(2, -1) for x in (clip, made)
    )
    points = clip.new_zeros(*clip.shape[:2], 0, 2)
    if isinstance(method, HasParticleDynamics):
        found = method.predict_particles(given, ahead).position
        none = found.new_full((len(clip), GIVEN, *found.shape[2:]), torch.nan)
        points = torch.cat([none, found], 1)
    return true, painted, points
