"""Scoring that can be watched and stopped, whatever the protocol: a bar, and an end on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.callbacks import ProgressFile, StopCallback
from datamodules.interface import DataModule
from datamodules.progress import progress_bar


@contextmanager
def watched(
    data: DataModule, progress: ProgressFile, ending: StopCallback, *, bar: bool
) -> Iterator[None]:
    """Within the block, say how far somebody is through the data's splits; stop him if it is time.

    Args:
        data: what a protocol reads, by `DataModule.eval_dataloader`.
        progress: told for the runner, after every batch.
        ending: asked after every batch. A signal raises where it arrives; this is for one that a
            library has swallowed, and for the time that is over.
        bar: also show a bar on the terminal.
    """
    with ExitStack() as stack:
        show = stack.enter_context(progress_bar("scoring")) if bar else None

        def follow(split: str, done: int, total: int) -> None:
            ending.check()
            progress.scored(split, done, total)
            if show is not None:
                show(done, total)

        data.watcher = follow
        try:
            yield
        finally:
            data.watcher = None
