"""A dataset read from a folder: the user's copy, or a stand-in copy written to the cache once.

The stand-in is written in the genuine file formats and read by the code that reads the user's copy,
so that code is exercised by everybody.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from filelock import FileLock

from datamodules.cache import short_hash
from datamodules.cache_writer import cannot_write, check_space
from datamodules.errors import DataError, DatasetNotFoundError
from datamodules.interface import DataModule
from datamodules.progress import progress_bar

STANDIN_MARKER: Final = "standin.json"
"""File beside the stand-in's data that tells it from a genuine copy."""

Show = Callable[[int, int], None]
"""Is told of (done, of) while a stand-in is written."""


class FolderModule(DataModule):
    """Base of datasets that are read from one folder and show whole pictures, without a margin.

    A subclass says what its stand-in is made of (`standin_recipe`) and writes it
    (`write_standin`); all settings are those of `DataModule`.
    """

    title: ClassVar[str]
    """The dataset's name in messages."""
    obtain: ClassVar[str]
    """How the user gets a copy."""
    standin_bytes: ClassVar[int] = 16 << 20
    """Room the stand-in's files need, at most."""

    @property
    def margin(self) -> int:
        """No pixels are kept beyond what is shown."""
        return 0

    @abstractmethod
    def standin_recipe(self) -> dict[str, Any]:
        """JSON-able settings that decide every byte of the stand-in."""

    @abstractmethod
    def write_standin(self, folder: Path, show: Show) -> None:
        """Write the stand-in's tree into an empty folder."""

    def folder(self) -> Path:
        """Where to read: the user's folder, or the stand-in's, written now if it is not there.

        Raises:
            DatasetNotFoundError: no folder was given, or there is none.
            DiskSpaceError: the stand-in does not fit on the disk.
            DataError: it cannot be written.
        """
        if self.source == "real":
            if self.root is None:
                raise self.not_found(None, ["a folder to look in; give it with --data-root DIR"])
            if not self.root.is_dir():
                raise self.not_found(self.root, ["the folder itself"])
            return self.root
        folder = self.cache_dir / self.name / f"standin-tree-{short_hash(self.standin_recipe())}"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not folder.exists():
                    self._make_standin(folder)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder

    def _make_standin(self, folder: Path) -> None:
        check_space(folder, self.standin_bytes)
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # of a killed process; we hold the lock
        partial.mkdir()
        try:
            with progress_bar(f"making the stand-in of {self.title}") as show:
                self.write_standin(partial, show)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @classmethod
    def not_found(cls, root: Path | None, missing: Sequence[str]) -> DatasetNotFoundError:
        """The error for a copy that lacks something; None where no folder was given."""
        return DatasetNotFoundError(
            f"no complete {cls.title} copy in {root or '(no folder given)'}: missing "
            f"{'; '.join(missing)}. {cls.obtain}. `whatwhere data verify {cls.name} --data-root "
            f"{root or 'DIR'}` shows what is found."
        )

    def refuse_standin(self, folder: Path) -> None:
        """See that the data folder of a real copy is none of the stand-in.

        Raises:
            DataError: it is.
        """
        marker = folder / STANDIN_MARKER
        if self.source == "real" and marker.exists():
            raise DataError(
                f"{marker} says that this is a stand-in: it cannot be read as the real copy. Give "
                "the folder of the real one with --data-root, or --source standin."
            )


def mark_standin(folder: Path, recipe: dict[str, Any]) -> None:
    """Leave the mark of a stand-in beside its data."""
    text = json.dumps(recipe, sort_keys=True) + "\n"
    (folder / STANDIN_MARKER).write_text(text, encoding="ascii", newline="\n")


def standin_sizes(
    given: Mapping[str, int] | Sequence[int] | None,
    usual: Mapping[str, int],
    argument: str = "standin_sizes",
) -> dict[str, int]:
    """Sizes of a stand-in by name, in the order of the usual ones, which None stands for.

    Raises:
        ValueError: a name is missing or unknown, or a number is below 1; ``argument`` is named.
    """
    if given is None:
        return dict(usual)
    sizes = given if isinstance(given, Mapping) else dict(zip(usual, given, strict=True))
    if set(sizes) != set(usual) or min(sizes.values()) < 1:
        raise ValueError(f"{argument} must give {', '.join(usual)}, got {sizes}")
    return {key: sizes[key] for key in usual}


def listing_hash(paths: Iterable[Path], contents: Iterable[Path] = ()) -> str:
    """A hash over names and sizes of files, and over the bytes of some small ones; no paths."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    for path in contents:
        digest.update(f"{path.name}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def held_out(names: Sequence[str], size: int, share: float) -> set[str]:
    """Names of the ``val`` part: the first ``size`` in an order by hash, at most ``share`` of all.

    A name's place hangs on the name alone, so a longer list keeps most of a shorter one's choice.
    """
    order = sorted(names, key=lambda name: hashlib.sha256(f"val/{name}".encode()).digest())
    return set(order[: min(size, int(len(order) * share))])
