"""Opening a run, and the logger that Lightning writes it with.

Curves are drawn over ``trainer/global_step``, for W&B's own step counts a resumed run's repeated
rows twice. What would lie in the user's home (staged artifacts, the client's logs) goes to the
run's folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
        self.on_lost: Callable[[str], None] = lambda reason: None
        """Told once why W&B takes nothing any more."""
        self._lost = False
        self._replaced = dict(replaced)

    @property
    def fresh(self) -> bool:
        """Whether the run has no curves from earlier, as far as its folder and W&B know."""
        if self.run is None or self.run.resumed:
            return False
        return len(list((Path(self.save_dir or ".") / "wandb").glob(f"*run-*-{self.run.id}*"))) < 2

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Keep the method's arguments apart: its ``seed`` is not the cell's."""
        run = self.run
        if run is not None:
            made = dict(params if isinstance(params, dict) else vars(params))
            self._try(
                lambda: run.config.update(  # type: ignore[no-untyped-call]
                    {"hyperparameters": made}, allow_val_change=True
                )
            )

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log a row, and note how far the curves have come; no failure of W&B ends a training."""
        self._try(lambda: super(RunLogger, self).log_metrics(metrics, step))
        if step is not None:
            self.last_step = max(self.last_step, step)

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log rows of ``metrics.jsonl`` that the run does not have yet.

        Lightning counts a row as of the step before, see its loggers.
        """
        for row in rows:
            step = int(row["step"]) - 1
            if self.run is not None and step > self.last_step:
                values = {key: value for key, value in row.items() if key not in ("step", "epoch")}
                self._try(partial(self.run.log, {STEP: step, **values}))
        if rows:
            self.last_step = max(self.last_step, int(rows[-1]["step"]) - 1)

    def _try(self, action: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            action()
        except Exception as error:  # its process was killed, for instance
            self._lost = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            log.warning("W&B takes no more of this run (%s)", reason)
            self.on_lost(reason)

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
    if mode == "online":
        check_account(
            "WANDB=online", "; or use WANDB=offline, which needs none, and `wandb sync` later"
        )


def check_account(what: str, instead: str = "") -> None:
    """Refuse what asks the server where that cannot be; never asks for a key.

    Args:
        what: is asked for, at the beginning of a sentence.
        instead: what needs no account, at the end of one.

    Raises:
        TrackingError: no API key is found, or none that could be one, or the environment says
            another mode.
    """
    asked = os.environ.get("WANDB_MODE", "online")
    if asked not in ("online", "run"):
        raise TrackingError(
            f"{what} asks the server, but the environment says WANDB_MODE={asked}; unset it"
        )
    try:
        found = wandb.login(prompt=False, verify=False)
    except wandb.Error as error:
        raise TrackingError(f"W&B takes no such API key: {error}") from error
    if not found:
        raise TrackingError(
            f"{what} needs a W&B account, and no API key was found. Run `wandb login` once or set "
            f"WANDB_API_KEY{instead}"
        )


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
