"""Pictures of dense vectors: what has the same colour has the same vector, in every face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.canvas import Sheet, tile_size

Array = NDArray[Any]

SHOWN: Final = 6
_SPREAD: Final = 2.5


def draw_vectors(arrays: Mapping[str, Array], title: str) -> Sheet | None:
    """Test pictures over their vectors, seen by the three principal components of all of them."""
    if "test_images" not in arrays or "test_vectors" not in arrays:
        return None
    images, vectors = arrays["test_images"][:SHOWN], arrays["test_vectors"][:SHOWN]
    sheet = Sheet(
        "Vectors of places: what has the same colour has the same vector",
        title,
        rows=2,
        columns=len(images),
        tile=tile_size(images.shape[1:3]),
        left=120,
    )
    for row, (name, shown) in enumerate({"input": images, "vectors": coloured(vectors)}.items()):
        sheet.row_name(row, name)
        sheet.photos(row, 0, shown)
    return sheet


def coloured(vectors: Array) -> Array:
    """Vectors (n, C, h, w) as colours (n, h, w, 3) uint8.

    Red, green and blue are the first principal components of the vectors of all places, black and
    white at 2.5 deviations; a component that is not there is a middle grey.
    """
    rows = np.moveaxis(vectors, 1, -1).reshape(-1, vectors.shape[1]).astype(np.float64)
    rows -= rows.mean(0)
    _, axes = np.linalg.eigh(rows.T @ rows)  # the strongest comes last
    scores = rows @ axes[:, ::-1][:, :3]
    scores /= np.maximum(_SPREAD * scores.std(0), 1e-12)
    seen = np.full((len(rows), 3), 0.5)
    seen[:, : scores.shape[1]] += scores.clip(-1, 1) / 2
    n, _, height, width = vectors.shape
    return (seen * 255).round().astype(np.uint8).reshape(n, height, width, 3)
