"""Pictures of one cell for people: what the method sees, where it errs, how it learned.

Every picture is drawn from the arrays of a protocol's result (see the protocol's docstring), the
method itself, or the cell's ``metrics.jsonl``; where its input is missing it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmarks.basis_pictures import GAMMA, POINTS, draw_applied, draw_basis
from benchmarks.callbacks import read_jsonl
from benchmarks.canvas import (
    GREY,
    INK,
    SKY,
    Sheet,
    dots,
    ordered_colours,
    tile_size,
)
from benchmarks.class_pictures import draw_classes
from benchmarks.clip_pictures import draw_clips
from benchmarks.code_pictures import (
    as_batch,
    as_bytes,
    draw_canonical,
    draw_swaps,
    draw_transfer,
)
from benchmarks.confusion_pictures import draw_confusions
from benchmarks.diagrams import draw_curves, draw_sparsification
from benchmarks.object_pictures import draw_objects
from benchmarks.prediction_pictures import draw_predictions
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.samples import Samples
from benchmarks.schema import CellSpec
from benchmarks.trained import Trained
from benchmarks.vector_pictures import draw_vectors
from benchmarks.view_pictures import draw_covariance, draw_turning, draw_views
from lightning_modules.interface import HasReconstruction, Method

Array = NDArray[Any]

SOURCES: Final = {"standin": "stand-in data", "real": "real data"}
_COLUMNS: Final = 4
_LEGEND: Final = 90
_GROUPS: Final = {"median": "nearest the\nmedian error", "worst": "largest\nerrors"}
_RECONSTRUCTED: Final = 6
_AREAS: Final = (9.0, 72.0)  # square points: the least certain and the most certain particle
_DIFFERENCE_LIMIT: Final = 0.3


def cell_title(cell: CellSpec) -> str:
    """Row, seed, dataset and source, budget and protocol of a cell, in one line."""
    return (
        f"{cell.row}  ·  seed {cell.seed}  ·  {cell.dataset}, {SOURCES[cell.source]}  ·  "
        f"{cell.budget} budget  ·  {cell.protocol} v{cell.protocol_version}"
    )


def trained_title(trained: Trained) -> str:
    """Which cell or method it is, and for how long it was trained, in one line."""
    name = type(trained.method).__name__ if trained.cell is None else cell_title(trained.cell)
    return f"{name}  ·  after epoch {trained.epochs}"


def draw_cell(
    scored: ProtocolResult,
    folder: Path,
    *,
    title: str,
    method: Method | None = None,
    metrics_file: Path | None = None,
    samples: Samples | None = None,
    gamma: float = GAMMA,
    points: int = POINTS,
) -> list[Path]:
    """Draw every picture whose input is there.

    Args:
        scored: what the protocol gave.
        folder: where the PNG files go, and MP4 and GIF files of clips (see `draw_clips`):
            ``particles``, ``objects``, ``landmarks``, ``reconstructions``,
            ``views``, ``view-covariance``, ``view-dimensions``, ``vectors``, ``canonical``,
            ``swaps``, ``transfer-KIND``, ``basis``, ``basis-applied``, ``classes``,
            ``confusions``, ``sparsification``, ``curves``; ``predictions`` is a film too.
        title: says which cell it is, see `cell_title`.
        method: for reconstructions, if it can make them.
        metrics_file: for learning curves; None for ``metrics.jsonl`` beside ``folder``.
        samples: sequences for transfers, clips, and test pictures where the protocol keeps none.
        gamma: reach of the basis functions, in standard deviations of the prior.
        points: pictures of a basis function.

    Returns:
        The files written.
    """
    folder = Path(folder)
    arrays = dict(scored.arrays)
    if samples is not None:
        arrays.setdefault("test_images", samples.images)
    reach: dict[str, Any] = {"gamma": gamma, "points": points}
    curves = folder.parent / "metrics.jsonl" if metrics_file is None else Path(metrics_file)
    drawings: dict[str, Callable[[], Sheet | None]] = {
        "particles": lambda: draw_particles(arrays, title),
        "objects": lambda: draw_objects(arrays, title),
        "landmarks": lambda: draw_landmarks(arrays, title),
        "reconstructions": lambda: draw_reconstructions(arrays, method, title),
        "views": lambda: draw_views(arrays, title),
        "view-covariance": lambda: draw_covariance(arrays, title),
        "view-dimensions": lambda: draw_turning(arrays, method, title, **reach),
        "vectors": lambda: draw_vectors(arrays, title),
        "canonical": lambda: draw_canonical(arrays, method, title),
        "swaps": lambda: draw_swaps(arrays, method, title),
        **{
            f"transfer-{driver.kind}": partial(draw_transfer, driver, method, title)
            for driver in ([] if samples is None else samples.drivers)
        },
        "basis": lambda: draw_basis(method, title, **reach),
        "basis-applied": lambda: draw_applied(method, title, **reach),
        "classes": lambda: draw_classes(method, title, **reach),
        "confusions": lambda: draw_confusions(arrays, title),
        "sparsification": lambda: draw_sparsification(scored, title),
        "curves": lambda: draw_curves(read_jsonl(curves) if curves.exists() else [], title),
    }
    written = []
    for name, draw in drawings.items():
        sheet = draw()
        if sheet is not None:
            written.append(sheet.save(folder / f"{name}.png"))
    written += draw_predictions(arrays, folder, title)
    shown = None if samples is None else samples.clips
    return written + draw_clips(method, shown, folder, title)


def draw_particles(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Test pictures with a method's keypoints on them.

    A particle has one colour on all pictures, ordered from the top of the picture to its bottom by
    where the particle is on average. Its area grows with its certainty in that picture.
    """
    if "test_images" not in arrays or "test_keypoints" not in arrays:
        return None
    images, points = arrays["test_images"], arrays["test_keypoints"]
    spread = arrays.get("test_log_variance")
    tile = tile_size(images.shape[1:3])
    columns = min(_COLUMNS, len(images))
    sheet = Sheet(
        f"{points.shape[1]} particles on test pictures",
        title,
        rows=-(-len(images) // columns),
        columns=columns,
        tile=tile,
        foot=_LEGEND,
    )
    colours: list[Any] = [None] * points.shape[1]
    from_top = np.argsort(points[..., 1].mean(0), kind="stable")
    for particle, colour in zip(from_top, ordered_colours(len(colours)), strict=True):
        colours[particle] = colour
    # Standard deviations in the picture's pixels; x and y are averaged in the logarithm.
    sigma = None if spread is None else np.exp(spread.mean(-1) / 2) * images.shape[2] / 2
    area = _Area(sigma)
    for place, image in enumerate(images):
        axes = sheet.photo(*divmod(place, columns), image)
        areas = area(sigma[place]) if sigma is not None else np.full(len(colours), 32.0)
        # Large ones first, so that none hides a small one.
        order = np.argsort(-areas, kind="stable")
        fill = [colours[particle] for particle in order]
        dots(axes, points[place, order], area=areas[order], width=0.8, edge="white", c=fill)
    _particle_legend(sheet, area if sigma is not None else None)
    return sheet


class _Area:
    """Marker areas: linear in the logarithm of the deviation, clipped at its outer 2 %."""

    def __init__(self, sigma: Array | None) -> None:
        logs = np.log(sigma) if sigma is not None else np.zeros(1)
        self.low, self.high = (float(edge) for edge in np.percentile(logs, [2, 98]))

    def __call__(self, sigma: Array) -> Array:
        if self.high - self.low < 1e-6:
            return np.full(np.shape(sigma), sum(_AREAS) / 2)
        certainty = np.clip((self.high - np.log(sigma)) / (self.high - self.low), 0, 1)
        areas: Array = _AREAS[0] + certainty * (_AREAS[1] - _AREAS[0])
        return areas

    def examples(self) -> Array:
        """The deviations of the most, a medium and the least certain marker."""
        return np.exp(np.linspace(self.low, self.high, 3))


def _particle_legend(sheet: Sheet, area: _Area | None) -> None:
    strip = sheet.strip(_LEGEND)
    x, y = float(sheet.origin[0]), 36.0
    words: dict[str, Any] = {"size": 7, "color": INK, "va": "center"}
    strip.imshow([ordered_colours(24)], extent=(x, x + 160, y + 7, y - 7), aspect="auto")
    # An image takes the axes' limits for itself.
    strip.set_xlim(0, sheet.width)
    strip.set_ylim(_LEGEND, 0)
    strip.text(
        x + 175, y, "one colour a particle, ordered by its mean place from top to bottom", **words
    )
    if area is None:
        return
    y += 36
    for place, sigma in enumerate(area.examples()):
        at = x + 12 + 95 * place
        strip.scatter([at], [y], s=area(np.array([sigma])), c=GREY, edgecolors="white")
        strip.text(at + 18, y, f"{sigma:.2g}", **words)
    strip.text(x + 300, y, "the larger, the more certain: standard deviation in pixels", **words)


def draw_landmarks(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Predicted landmarks against true ones: ordinary faces and the worst.

    Takes ``median_*`` and ``worst_*`` (``images``, ``landmarks``, ``predicted``) where the protocol
    gives them, else ``test_*``, in the order of their errors.
    """
    groups = [name for name in ("median", "worst") if f"{name}_images" in arrays] or ["test"]
    names = ("images", "landmarks", "predicted")
    if any(f"{group}_{name}" not in arrays for group in groups for name in names):
        return None
    shown: list[tuple[Array, Array, Array, float]] = []
    for group in groups:
        images, true, predicted = (arrays[f"{group}_{name}"] for name in names)
        errors = interocular_error(predicted, true, images.shape[1:3])
        shown += [
            (images[i], true[i], predicted[i], float(errors[i]))
            for i in np.argsort(errors, kind="stable")
        ]
    columns = min(_COLUMNS, len(shown))
    sheet = Sheet(
        "Landmarks on test pictures",
        title,
        rows=-(-len(shown) // columns),
        columns=columns,
        tile=tile_size(shown[0][0].shape[:2]),
        caption=30,
        left=130 if groups != ["test"] else 0,
        foot=_LEGEND,
    )
    row = 0
    for group in [group for group in groups if group in _GROUPS]:
        _, top, _, height = sheet.box(row, 0)
        sheet.text(30, top + height / 2, _GROUPS[group], va="center")
        row += -(-len(arrays[f"{group}_images"]) // columns)
    for place, (image, true, predicted, error) in enumerate(shown):
        axes = sheet.photo(*divmod(place, columns), image, caption=f"{error:.1f} %")
        _mark_landmarks(axes, true, predicted)
    strip = sheet.strip(_LEGEND)
    x, y = float(sheet.origin[0]) + 12, 36.0
    _mark_landmarks(strip, np.array([[x, y]]), np.array([[x + 38, y]]))
    words: dict[str, Any] = {"size": 7, "color": INK, "va": "center"}
    strip.text(x + 58, y, "true (ring) and predicted (dot)", **words)
    below = "in percent: mean distance of the two over the distance of the eyes"
    if "per_image_error" in arrays:
        overall = arrays["per_image_error"]
        below += f"; {overall.mean():.2f} % over all {len(overall)} pictures"
    strip.text(x - 12, y + 36, below, **words)
    return sheet


def interocular_error(predicted: Array, true: Array, size: tuple[int, int]) -> Array:
    """Mean landmark error of each picture over the distance of its eyes, in percent.

    Args:
        predicted: (N, L, 2) in [-1, 1].
        true: (N, L, 2) in [-1, 1], eyes first.
        size: height and width of the pictures.

    Returns:
        (N,).
    """
    scale = np.array([size[1], size[0]]) / 2
    distance = np.linalg.norm((predicted - true) * scale, axis=-1).mean(-1)
    eyes = np.linalg.norm((true[:, 0] - true[:, 1]) * scale, axis=-1)
    errors: Array = 100 * distance / eyes
    return errors


def _mark_landmarks(axes: Axes, true: Array, predicted: Array) -> None:
    (true_x, true_y), (x, y) = true.T, predicted.T
    for width, colour in ((3.0, INK), (1.4, "white")):
        axes.plot(
            np.stack([true_x, x]),
            np.stack([true_y, y]),
            color=colour,
            linewidth=width,
            solid_capstyle="round",
            scalex=False,
            scaley=False,
        )
    # Two rings, so that one of them shows on any skin, hair or background.
    dots(axes, true, area=86, width=1.3, edge=INK, facecolors="none", zorder=3)
    dots(axes, true, area=60, width=1.3, edge="white", facecolors="none", zorder=3)
    dots(axes, predicted, area=26, width=0.8, edge=INK, c=SKY, zorder=4)


@torch.no_grad()
def draw_reconstructions(
    arrays: Mapping[str, Array], method: Method | None, title: str
) -> Sheet | None:
    """Test pictures, what the method makes of them, and how far the two are apart."""
    if not isinstance(method, HasReconstruction) or "test_images" not in arrays:
        return None
    images = arrays["test_images"][:_RECONSTRUCTED]
    batch = as_batch(method, images)
    was_training = method.training
    method.eval()
    try:
        rebuilt = method.reconstruct(batch).clamp(0, 1)
    finally:
        method.train(was_training)
    difference = (rebuilt - batch).abs().permute(0, 2, 3, 1).float().cpu().numpy()
    made = as_bytes(rebuilt)
    colours = matplotlib.colormaps["magma_r"]
    tile = tile_size(images.shape[1:3])
    sheet = Sheet(
        "Reconstructions of test pictures",
        title,
        rows=3,
        columns=len(images),
        tile=tile,
        left=120,
        right=110,
        foot=44,
    )
    for column, image in enumerate(images):
        mean = difference[column].mean(-1)
        sheet.photo(0, column, image)
        sheet.photo(1, column, made[column])
        sheet.photo(2, column, np.uint8(colours(mean / _DIFFERENCE_LIMIT)[..., :3] * 255))
        left, top, width, height = sheet.box(2, column)
        words = f"RMSE {np.sqrt((difference[column] ** 2).mean()):.3f}"
        sheet.text(left + width / 2, top + height + 24, words, size=7, ha="center")
    for row, name in enumerate(("input", "recon-\nstruction", "absolute\ndifference")):
        sheet.row_name(row, name)
    left, top, width, height = sheet.box(2, len(images) - 1)
    scale = sheet.axes(left + width + 24, top, 20, height)
    scale.imshow(colours(np.linspace(1, 0, 128))[:, None], extent=(0, 1, 0, 1), aspect="auto")
    ticks = np.linspace(0, 1, 3)
    scale.set_yticks(ticks, ["0", f"{_DIFFERENCE_LIMIT / 2:g}", f"≥ {_DIFFERENCE_LIMIT:g}"])
    scale.set_xticks([])
    scale.yaxis.tick_right()
    scale.tick_params(labelsize=7, colors=INK)
    return sheet
