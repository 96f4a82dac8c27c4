"""The ``.pts`` files of points that the iBUG group and its followers write.

version: 1
n_points: 68
{
296.6 301.1
...
}
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError


def read_points(path: Path, count: int | None = None) -> NDArray[np.float64]:
    """The points (count, 2) of a file, (x, y) in pixels as they stand there.

    Args:
        path: the file.
        count: how many it must hold; None for as many as it says.

    Raises:
        DataError: the file is no such file, or holds something else.
    """
    text = path.read_text(encoding="ascii", errors="replace")
    head, opened, rest = text.partition("{")
    body, closed, _ = rest.partition("}")
    wanted = count
    try:
        points = np.array(
            [[float(word) for word in row.split()] for row in body.split("\n") if row.strip()]
        )
        said = dict(line.split(":", 1) for line in head.split("\n") if ":" in line)
        wanted = int(said["n_points"]) if count is None else count
    except (KeyError, ValueError):
        points = np.empty(0)
    if not (opened and closed) or points.shape != (wanted, 2) or not np.isfinite(points).all():
        raise DataError(
            f"{path} does not hold {'its' if wanted is None else wanted} points, a row 'x y' each "
            "between braces. Make the file again."
        )
    return points


def write_points(path: Path, points: NDArray[np.floating]) -> None:
    """Write points (L, 2), (x, y) in pixels, to hundredths."""
    rows = "".join(f"{x:.2f} {y:.2f}\n" for x, y in points)
    text = f"version: 1\nn_points: {len(points)}\n{{\n{rows}}}\n"
    path.write_text(text, encoding="ascii", newline="\n")
