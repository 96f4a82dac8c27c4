"""What can be wrong with data; every message names the thing and what mends it."""

from __future__ import annotations


class DatasetNotFoundError(FileNotFoundError):
    """A dataset is absent or half unpacked.

    The message names the folder looked in, what was expected there, how to obtain it and the
    command that shows what is found.
    """


class DataError(ValueError):
    """A file of a dataset, or a cache made from one, holds what it should not.

    The message names the file, the row or value, and the remedy.
    """


class DiskSpaceError(DataError):
    """A cache does not fit on the disk; nothing was written."""
