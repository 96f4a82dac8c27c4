"""Pictures that arrive as bytes: read in memory, under limits, refused in plain words."""

from __future__ import annotations

import io
from typing import Any, Final

from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchmarks.samples import middle_square

Array = NDArray[Any]

MOST_BYTES: Final = 20 * 2**20
"""Of a file that is sent to the studio."""
MOST_PIXELS: Final = 50_000_000
"""Of a picture; a small file can hold a picture that fills the memory."""


def read_picture(content: bytes, size: int, channels: int) -> Array:
    """The middle square of a picture file, (size, size, channels) uint8.

    Args:
        content: of the file.
        size: side to give it, pixels.
        channels: 3, or 1 for grey.

    Raises:
        ValueError: it is no picture, a broken one, or too large.
    """
    try:
        # Pillow warns of large pictures, and refuses larger ones; both are checked here first.
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(
                    f"this picture has {image.width} x {image.height} pixels, more than "
                    f"{MOST_PIXELS // 1_000_000} million: make it smaller"
                )
            if min(image.size) < 1:
                raise ValueError("this picture has no pixels")
            return middle_square(image.convert("RGB"), size, channels)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(
            "this file is no picture that can be read here: give a PNG, JPEG or WebP file"
        ) from error
    except (OSError, SyntaxError) as error:  # what Pillow raises for broken files
        raise ValueError(f"this picture file is broken: {error}") from error
