"""Checkpoints that survive a kill, a torn disk and a flipped bit, and that know whose they are.

Lightning's own files do not: the temporary file goes to another file system, a flipped bit loads
silently, and nothing says which configuration a file belongs to. Here one run keeps two
generations, ``resume.ckpt`` and ``resume.prev.ckpt``, and beside them ``resume.ckpt.sha256`` (in
the form of ``sha256sum``) with the digest of every good generation. A file is good if its digest
is on that list. The list is written before the renames, so that at every instant at least one good
file stands there.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import CheckpointIO

from benchmarks.files import atomic_writer, fsync_folder, sha256_file, write_atomically
from benchmarks.ranks import agreed

log = logging.getLogger(__name__)

OWNER_KEY = "whatwhere"
"""Where a checkpoint says which cell it belongs to."""


class CheckpointMismatchError(ValueError):
    """A checkpoint belongs to another configuration."""


class AtomicCheckpointIO(CheckpointIO):
    """Saves whole or not at all, keeps the previous file, loads only what its digest confirms."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write ``checkpoint`` to ``path``; what stood there becomes the previous generation."""
        path = Path(path)
        for orphan in path.parent.glob(f".{path.name}.*.tmp"):
            orphan.unlink(missing_ok=True)  # of a process that was killed while it wrote
        fresh = path.with_name(f"{path.name}.new")
        with atomic_writer(fresh) as stream:
            torch.save(checkpoint, stream)
        digests = {path: sha256_file(fresh)}
        previous = previous_of(path)
        keep = is_good(path)
        kept = path if keep else previous
        if is_good(kept):
            digests[previous] = sha256_file(kept)
        write_atomically(
            sidecar_of(path), "".join(f"{sha}  {file.name}\n" for file, sha in digests.items())
        )
        if keep:
            path.replace(previous)
        fresh.replace(path)
        fsync_folder(path.parent)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Load tensors and plain values only, whatever the caller asks for.

        Raises:
            ValueError: the file's digest is not on record, or it holds other values.
        """
        path = Path(path)
        if not is_good(path):
            raise ValueError(
                f"{path}: damaged, or not written by this suite (its SHA-256 is not in "
                f"{sidecar_of(path).name}); delete it and start the run again"
            )
        location = "cpu" if map_location is None else map_location
        try:
            loaded: dict[str, Any] = torch.load(path, map_location=location, weights_only=True)
        except UnpicklingError as error:
            # Torch's own words advise to load it anyway, which runs whatever is in the file.
            raise ValueError(
                f"{path}: holds more than tensors and plain values. Keep numbers, words and lists "
                "alone in what the method saves (save_hyperparameters, on_save_checkpoint), delete "
                f"the file and train again. The first it met: {_met(error)}"
            ) from error
        return loaded

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete both generations and their digests."""
        discard(Path(path))


def _met(error: UnpicklingError) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return found[1] if found else str(error).splitlines()[0]


def previous_of(path: Path) -> Path:
    """``resume.prev.ckpt`` for ``resume.ckpt``."""
    return path.with_name(f"{path.stem}.prev{path.suffix}")


def sidecar_of(path: Path) -> Path:
    """The list of digests, shared by both generations."""
    base = path.name.replace(f".prev{path.suffix}", path.suffix)
    return path.with_name(f"{base}.sha256")


def is_good(path: Path) -> bool:
    """Whether the file stands there and its digest is on record."""
    sidecar = sidecar_of(path)
    if not (path.is_file() and sidecar.is_file()):
        return False
    known = {line.split()[0] for line in sidecar.read_text().splitlines() if line.strip()}
    return sha256_file(path) in known


def newest_good(path: Path) -> Path | None:
    """The newest undamaged generation of ``path``, or None; damage is said aloud."""
    for file in (path, previous_of(path)):
        if is_good(file):
            return file
        if file.exists():
            log.warning("%s is damaged (SHA-256 differs); looking for an older checkpoint", file)
    if any_file(path):
        log.warning("no undamaged checkpoint in %s: training starts afresh", path.parent)
    return None


def any_file(path: Path) -> bool:
    """Whether a generation of ``path`` stands there, damaged or not."""
    return path.exists() or previous_of(path).exists()


def discard(path: Path) -> None:
    """Delete both generations of ``path``, and their digests."""
    for file in (path, previous_of(path), sidecar_of(path)):
        file.unlink(missing_ok=True)


def sign(checkpoint: dict[str, Any], cell_id: str, config: dict[str, Any]) -> None:
    """Say within a checkpoint whose it is."""
    checkpoint[OWNER_KEY] = {"cell_id": cell_id, "config": config}


def check_owner(path: Path, cell_id: str) -> dict[str, Any]:
    """Load a checkpoint, or refuse it if another configuration wrote it.

    Raises:
        CheckpointMismatchError: names both ids and the remedy.
        ValueError: the file is damaged.
    """
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    owner = checkpoint.get(OWNER_KEY, {}).get("cell_id")
    if owner != cell_id:
        raise CheckpointMismatchError(
            f"{path}: holds a checkpoint of cell {owner or '(none on record)'}, but this is cell "
            f"{cell_id}: another configuration trained it. Delete the file to train afresh, or "
            "restore the configuration it belongs to"
        )
    return checkpoint


class ResumeCheckpoint(Checkpoint):
    """Saves at the ends of epochs, where a resumed run is equal to an uninterrupted one.

    Lightning stores neither random states nor the place in an epoch; with permutations and seeds
    that are functions of (seed, epoch) an epoch's end needs neither. (The base class `Checkpoint`
    is only there because Lightning calls such callbacks after all others.)

    Args:
        path: the file, e.g. ``RUN/resume.ckpt``.
        cell_id: whose it is; checked before it is used again.
        config: the hashed configuration, for people who find the file.
        every_seconds: save at an epoch's end when the last save is at least so long ago; the last
            epoch is always saved.
        on_saved: called after each save.
    """

    def __init__(
        self,
        path: Path,
        cell_id: str,
        config: dict[str, Any],
        *,
        every_seconds: float = 20.0,
        on_saved: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.cell_id = cell_id
        self.config = config
        self.every_seconds = every_seconds
        self.on_saved = on_saved
        self._saved_at = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say whose checkpoint this is."""
        sign(checkpoint, self.cell_id, self.config)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, if it is time."""
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 >= trainer.max_epochs
        due = last or time.monotonic() - self._saved_at >= self.every_seconds
        # All processes of a cell save together, though the leader alone writes: clocks differ.
        if agreed(int(due)):
            trainer.save_checkpoint(self.path, weights_only=False)
            self._saved_at = time.monotonic()
            self.on_saved()
