"""Walks through a folder that somebody has laid out: links are followed, nothing is passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from datamodules.errors import DataError


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk` from the top down, through symbolic links too, into every folder once.

    Files whose names begin with ``._`` are passed over: macOS puts such a one beside each file on
    disks that are not its own, with another content under nearly the same name.

    Raises:
        DataError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(
            f"the folder {error.filename} cannot be read ({error.strerror}): see with `ls -ld` who "
            "may, and mend that"
        )

    visited: set[tuple[int, int]] = set()
    for place, subfolders, names in os.walk(root, onerror=refuse, followlinks=True):
        stat = Path(place).stat()
        if (stat.st_dev, stat.st_ino) in visited:
            subfolders.clear()
            continue
        visited.add((stat.st_dev, stat.st_ino))
        yield place, subfolders, [name for name in names if not name.startswith("._")]
