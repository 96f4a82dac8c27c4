"""``whatwhere pictures``: what a trained method has learned, drawn from its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import samples
from benchmarks.devices import check_device
from benchmarks.pictures import draw_cell, trained_title
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.trained import Trained, load_trained
from benchmarks.trained_data import cell_data, own_pictures


def draw(
    checkpoint: Path,
    folder: Path,
    *,
    images: Sequence[Path] = (),
    driver: Sequence[Path] = (),
    gamma: float,
    points: int,
    root: Path | None = None,
    cache_dir: Path | None = None,
    device: str = "cpu",
) -> int:
    """Draw every picture that needs no scores, and print the files.

    Args:
        checkpoint: see `load_trained`.
        folder: where the pictures go.
        images: the user's pictures; none for the test pictures of the cell's own data.
        driver: pictures of one person in a row, whose geometry the others are to take on.
        gamma: reach of the basis functions.
        points: pictures of a basis function.
        root: of the user's copy, for a cell of real data.
        cache_dir: where prepared data is kept; None for the user's cache folder.
        device: ``cpu``, ``cuda`` or ``cuda:1``.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: there is nothing to draw from, or the data is not what the cell was planned for.
    """
    check_device(device)
    if driver and not images:
        raise ValueError("--driver moves other faces: give them by --images")
    trained = load_trained(checkpoint)
    shown = _samples(trained, images, driver, root, cache_dir)
    written = draw_cell(
        ProtocolResult({}),
        folder,
        title=trained_title(trained),
        method=trained.method.to(device),
        metrics_file=trained.file.parent / "metrics.jsonl",
        samples=shown,
        gamma=gamma,
        points=points,
    )
    if shown is None:
        Console(stderr=True).print(
            "A checkpoint of `whatwhere fit` does not say what it was trained on: give pictures by "
            "--images for the figures of faces.",
            markup=False,
            soft_wrap=True,
        )
    for file in written:
        Console().print(str(file), markup=False, highlight=False, soft_wrap=True)
    return 0


def _samples(
    trained: Trained,
    images: Sequence[Path],
    driver: Sequence[Path],
    root: Path | None,
    cache_dir: Path | None,
) -> samples.Samples | None:
    if images:
        return own_pictures(trained, images, driver)
    if trained.cell is None:
        return None
    return samples.of_data(cell_data(trained, root, cache_dir), trained.method)
