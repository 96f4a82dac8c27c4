"""Objects found by particles: version 1.

A frozen method's particles on every test picture are compared with the true objects of the scene.
An object counts if a quarter of it or more is in view. Daniel and Tamar (ICML 2022) show the uses
of their particles' variance in pictures; these are numbers for them.

*Fidelity*: ``psnr``, of the mean squared error over all test pictures, reconstructions not clipped
(as the paper's code logs it), ``ssim`` and ``lpips`` of clipped ones.

*Points*: particles are paired one by one with objects' centres (Hungarian matching), at most a
tenth of the picture's side apart. ``obj_recall`` is the share of objects with a particle,
``obj_precision`` the share of particles with an object, ``obj_error`` the distance of the pairs in
percent of the side. ``obj_on`` is the share of particles that lie in an object's box, many in one
if they like, ``obj_particles`` how many an object has. Endings: ``_var`` is of the particles kept
by variance: whose sum of log-variances is at most the mean over all particles of the test split.
differs from the paper: its code takes the mean of a batch, so that its batch's size counts.

*Certainty*: ``obj_variance_auc`` is the area under the ROC curve of minus the sum of log-variances,
``obj_presence_auc`` that of the presence (or, where a method has none, again that of the variance),
as tests of whether a particle lies on an object. ``obj_variance_rho`` is Spearman's rank
correlation of variance and distance to the nearest object. ``val_log_variance`` is the mean
log-variance over the validation split; it needs no label and can choose among models.

*Boxes*: a particle's box is what it paints, its score minus the sum of its log-variances; kept by
variance, then by non-maximum suppression at an overlap of 0.2, as in the paper's code. ``obj_ap25``
and ``obj_ap50`` are their average precision where a hit overlaps by 0.25 or 0.5.

What is selected on what: the weights of the last epoch are scored; nothing is chosen on the test
pictures but the threshold of the variance, which sees no label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.protocols.confidence import mean_log_variance
from benchmarks.protocols.fidelity import fidelity, lpips_network, psnr
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.object_boxes import (
    average_precision,
    detect,
    particle_boxes,
    suppress,
)
from benchmarks.protocols.object_matching import (
    Objects,
    inside,
    match,
    objects_of,
    to_nearest,
)
from benchmarks.protocols.object_shown import shown_arrays
from benchmarks.protocols.outputs import keypoints_of, reconstruction_of
from benchmarks.protocols.weighted import (
    Statistic,
    area_under_roc,
    estimate,
    rank_correlation,
    ratio,
)
from datamodules.interface import DataModule
from lightning_modules.interface import HasKeypoints, HasParticles, HasReconstruction, Method

VERSION: Final = 1
OVERLAPS: Final = {"obj_ap25": 0.25, "obj_ap50": 0.5}
_BATCH: Final = 64
_LABELS: Final = ("object_box", "object_centre", "object_visible")

Array = np.ndarray


class Seen(NamedTuple):
    """Particles of N pictures, where the method gives them.

    ``position`` (N, K, 2); ``uncertainty`` (N, K), the sum of the log-variances; ``presence``
    (N, K); ``size`` (N, K, 2).
    """

    position: Array
    uncertainty: Array | None = None
    presence: Array | None = None
    size: Array | None = None


def kept_by_variance(uncertainty: Array) -> Array:
    """Particles (N, K) that are at most as uncertain as the mean of all."""
    kept: Array = uncertainty <= uncertainty.mean()
    return kept


def score(seen: Seen, objects: Objects) -> ProtocolResult:
    """All numbers of points, certainty and boxes.

    ``arrays`` holds ``kept`` (N, K), particles kept by variance, and ``boxed`` (N, K), those whose
    boxes are left after suppression, where there are such.
    """
    every = np.ones(seen.position.shape[:2], dtype=bool)
    on = inside(seen.position, objects)
    anywhere: Array = np.logical_or.reduce(on, -1)
    found = match(seen.position, every, objects)
    of: dict[str, Statistic] = {
        "obj_recall": ratio(100 * found.hits, found.objects),
        "obj_precision": ratio(100 * found.hits, found.particles),
        "obj_error": ratio(50 * found.distance, found.hits),
        "obj_on": ratio(100 * anywhere.sum(1), found.particles),
        "obj_particles": ratio(on.sum((1, 2)), found.objects),
    }
    arrays: dict[str, Array] = {}
    unsure, telling = seen.uncertainty, seen.presence
    if unsure is not None:
        arrays["kept"] = kept = kept_by_variance(unsure)
        few = match(seen.position, kept, objects)
        of["obj_recall_var"] = ratio(100 * few.hits, few.objects)
        of["obj_precision_var"] = ratio(100 * few.hits, few.particles)
        of["obj_on_var"] = ratio(100 * (anywhere & kept).sum(1), few.particles)
        if np.ptp(unsure) > 0:
            of["obj_variance_rho"] = rank_correlation(unsure, to_nearest(seen.position, objects))
            of["obj_variance_auc"] = area_under_roc(-unsure, anywhere)
        telling = -unsure if telling is None else telling
    if telling is not None and np.ptp(telling) > 0:
        of["obj_presence_auc"] = area_under_roc(telling, anywhere)
    if unsure is not None and seen.size is not None:
        boxes = particle_boxes(seen.position, seen.size)
        arrays["boxed"] = boxed = suppress(boxes, -unsure, kept)
        hits = detect(boxes, -unsure, boxed, objects, list(OVERLAPS.values()))
        of |= {
            name: average_precision(hits, place, found.objects)
            for place, name in enumerate(OVERLAPS)
        }
    return _estimates(of, len(seen.position), arrays)


def _estimates(
    of: Mapping[str, Statistic], pictures: int, arrays: dict[str, Array]
) -> ProtocolResult:
    """Values and intervals of statistics, those left out that have no number."""
    found = {name: estimate(statistic, pictures) for name, statistic in of.items()}
    return ProtocolResult(
        {name: value for name, (value, _) in found.items() if np.isfinite(value)},
        {name: ends for name, (_, ends) in found.items() if ends is not None},
        arrays,
    )


def fidelity_score(of_picture: dict[str, Array]) -> ProtocolResult:
    """PSNR, SSIM and LPIPS over pictures, from the numbers of each (see `fidelity`)."""
    mse, one = of_picture["mse"], np.ones(len(of_picture["mse"]))
    of: dict[str, Statistic] = {"psnr": lambda weights: psnr(np.average(mse, weights=weights))}
    of |= {name: ratio(of_picture[name], one) for name in ("ssim", "lpips") if name in of_picture}
    return _estimates(of, len(mse), {})


def look(method: Method, image: Tensor) -> tuple[dict[str, Tensor | None], Tensor | None]:
    """A method's particles of pictures, by field of `Particles`, and its reconstruction."""
    if isinstance(method, HasParticles):
        found = method.particles(image.clone())
        return found._asdict(), method.render(found)
    fields: dict[str, Tensor | None] = {}
    if isinstance(method, HasKeypoints):
        mean, log_variance = keypoints_of(method, image.clone())
        fields = {"position": mean, "log_variance": log_variance}
    return fields, reconstruction_of(method, image) if isinstance(
        method, HasReconstruction
    ) else None


def _gather(
    method: Method, data: DataModule, device: torch.device, lpips: nn.Module | None
) -> tuple[dict[str, Array], dict[str, Array], Objects]:
    """Of all test pictures: particles, fidelity, objects."""
    particles: defaultdict[str, list[Array]] = defaultdict(list)
    pictures: defaultdict[str, list[Array]] = defaultdict(list)
    objects: defaultdict[str, list[Array]] = defaultdict(list)
    for loaded in data.eval_dataloader("test", _BATCH):
        batch = data.to_batch(loaded, device)
        missing = [key for key in _LABELS if key not in batch]
        if missing:
            raise ValueError(f"the protocol `objects` needs {', '.join(missing)} in test batches")
        fields, rebuilt = look(method, batch["image"])
        for name in ("position", "log_variance", "presence", "size"):
            value = fields.get(name)
            if value is not None:
                particles[name].append(_finite(value, f"particles' {name}", method))
        if rebuilt is not None:
            _finite(rebuilt, "pictures", method)
            for name, values in fidelity(rebuilt, batch["image"], lpips).items():
                pictures[name].append(values)
        for key in _LABELS:
            objects[key].append(batch[key].double().cpu().numpy())
    whole = [
        {name: np.concatenate(parts) for name, parts in found.items()}
        for found in (particles, pictures, objects)
    ]
    return whole[0], whole[1], objects_of(*(whole[2][key] for key in _LABELS))


def _finite(value: Tensor, words: str, method: Method) -> Array:
    if not torch.isfinite(value).all():
        raise ValueError(
            f"{type(method).__name__} gave non-finite {words}; did its training diverge?"
        )
    found: Array = value.double().cpu().numpy()
    return found


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``test`` of a dataset of scenes.

    ``arrays`` holds some test pictures and what the method makes of them, see
    `benchmarks.protocols.object_shown`.

    Raises:
        NotApplicableError: the method has neither points nor reconstructions.
        ValueError: pictures have no objects, or the method gives values that are not finite.
    """
    if not isinstance(method, HasParticles | HasKeypoints | HasReconstruction):
        raise NotApplicableError(f"{type(method).__name__} has neither points nor reconstructions")
    method = method.to(device).eval()
    lpips = lpips_network()
    lpips = None if lpips is None else lpips.to(device)
    particles, pictures, objects = _gather(method, data, device, lpips)
    parts: list[ProtocolResult] = [fidelity_score(pictures)] if pictures else []
    chosen: dict[str, Any] = {}
    # Of real CLEVRER nobody has said where in the picture anything is.
    if "position" in particles and objects.counts.any():
        spread = particles.get("log_variance")
        seen = Seen(
            particles["position"],
            None if spread is None else spread.sum(-1),
            particles.get("presence"),
            particles.get("size"),
        )
        parts.append(score(seen, objects))
        chosen = parts[-1].arrays
    result = ProtocolResult(
        {name: value for part in parts for name, value in part.metrics.items()},
        {name: value for part in parts for name, value in part.intervals.items()},
        shown_arrays(method, data, device, objects, chosen),
    )
    if isinstance(method, HasKeypoints):
        mean = mean_log_variance(method, data, device)
        if mean is not None:
            result.metrics["val_log_variance"] = mean
    return result
