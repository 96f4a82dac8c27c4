"""Opening a run, and the logger that Lightning writes it with.

Curves are drawn over ``trainer/global_step``, for W&B's own step counts a resumed run's repeated
rows twice. What would lie in the user's home (staged artifacts, the client's logs) goes to the
run's folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

if TYPE_CHECKING:
    from argparse import Namespace

log = logging.getLogger(__name__)

Mode = Literal["off", "offline", "online"]
PROJECT: Final = "whatwhere"
STEP: Final = "trainer/global_step"
UPLOAD_SECONDS: Final = 600.0
"""After which a finished run no longer holds its device for an upload that `wandb sync` can do."""


class TrackingError(OSError):
    """W&B cannot do what it is asked for; the message says what to do."""


class RunLogger(WandbLogger):
    """Lightning's logger for a run that `open_run` has opened.

    Args:
        run: the open run; None on all ranks but the first.
        folder: where the run keeps its files.
        replaced: environment variables to put back when the run is closed.
    """

    def __init__(
        self, run: wandb.Run | None, folder: Path, replaced: Mapping[str, str | None]
    ) -> None:
        super().__init__(
            project=PROJECT,
            save_dir=folder,
            version=run.id if run else None,
            experiment=run,
            log_model=False,
        )
        self.run = run
        self.last_step = -1
        """Of the optimiser, the newest that was logged."""
        self._replaced = dict(replaced)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Keep the method's arguments apart: its ``seed`` is not the cell's."""
        given = params if isinstance(params, dict) else vars(params)
        if self.run is not None:
            self.run.config.update(  # type: ignore[no-untyped-call]
                {"hyperparameters": dict(given)}, allow_val_change=True
            )

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log a row, and note how far the curves have come."""
        super().log_metrics(metrics, step)
        if step is not None:
            self.last_step = max(self.last_step, step)

    def close(self, exit_code: int = 0) -> None:
        """End the run; closing twice is fine."""
        try:
            if self.run is not None:
                self.run.finish(exit_code=exit_code)
        finally:
            self.run = self._experiment = None
            _set_variables(self._replaced)
            self._replaced = {}


def project_name() -> str:
    """The project that runs go to: ``WANDB_PROJECT``, or the suite's name."""
    return os.environ.get("WANDB_PROJECT") or PROJECT


def check_mode(mode: Mode) -> None:
    """Refuse ``online`` without an account, before anything is computed; never asks for a key.

    Raises:
        TrackingError: no API key is found, or the environment says another mode.
    """
    if mode != "online":
        return
    asked = os.environ.get("WANDB_MODE", "online")
    if asked not in ("online", "run"):
        raise TrackingError(
            f"WANDB=online was asked for, but the environment says WANDB_MODE={asked}; unset it"
        )
    if not logged_in():
        raise TrackingError(
            "WANDB=online needs a W&B account, and no API key was found. Run `wandb login` once or "
            "set WANDB_API_KEY; or use WANDB=offline, which needs none, and `wandb sync` later"
        )


def logged_in() -> bool:
    """Whether there is an API key.

    Raises:
        TrackingError: there is one that cannot be one.
    """
    try:
        return bool(wandb.login(prompt=False, verify=False))
    except wandb.Error as error:
        raise TrackingError(f"W&B takes no such API key: {error}") from error


def open_run(mode: Mode, folder: Path, *, run_id: str, **init: Any) -> RunLogger | None:
    """Open a run, or go on with it.

    Args:
        mode: ``off`` gives None; ``offline`` writes files that ``wandb sync`` sends later.
        folder: its own; W&B's files go to ``wandb`` and ``wandb-data`` in it.
        run_id: the same id is the same run.
        init: what else ``wandb.init`` is given.

    Raises:
        TrackingError: ``online`` without an account, or the server cannot be reached.
    """
    if mode == "off":
        return None
    if getattr(rank_zero_only, "rank", 0):
        return RunLogger(None, folder, {})
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        "WANDB_DATA_DIR": str(folder / "wandb-data"),
        "WANDB_CACHE_DIR": str(folder / "wandb-data"),
    }
    # Where the user has chosen a place, it is theirs.
    replaced: dict[str, str | None] = {name: None for name in own if name not in os.environ}
    _set_variables({name: own[name] for name in replaced})
    options: dict[str, Any] = {"resume": "allow"}
    try:
        check_mode(mode)
        run = wandb.init(
            id=run_id,
            mode=mode,
            dir=folder,
            project=project_name(),
            # Another run may be open in this process, a notebook's for instance: leave it alone.
            reinit="create_new",
            # The console is in the cell's own log; code and patches are nobody's business.
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                # Nor are the command line, which names folders, and the packages.
                x_disable_meta=True,
                x_save_requirements=False,
                quiet=True,
                finish_timeout=UPLOAD_SECONDS,
            ),
            **(options | init),
        )
    except BaseException as error:
        _set_variables(replaced)
        if isinstance(error, wandb.Error):
            raise TrackingError(
                f"W&B could not open the run ({error}); WANDB=offline records it in files that "
                "`wandb sync` sends later, WANDB=off does without"
            ) from error
        raise
    # Summaries are left at the last value, which is the one that counts: a method is scored as its
    # training has left it, and the best of several tries would be chosen on test.
    run.define_metric(STEP, hidden=True)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    log.info("W&B run %s in %s", run.url or run.id, folder / "wandb")
    return RunLogger(run, folder, replaced)


def commit_tags(commit: str, dirty: bool) -> list[str]:
    """The commit as tags: its first 12 digits, and whether the code differed from it."""
    return [commit[:12], "dirty"] if dirty else [commit[:12]]


def _set_variables(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
