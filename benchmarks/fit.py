"""``whatwhere fit -c config.yaml``: one training run by LightningCLI, outside any table."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.cli import LightningCLI

from benchmarks.callbacks import TrainingGuard
from benchmarks.checkpoints import CheckpointMismatchError
from datamodules import registry as datasets
from datamodules.interface import DataModule
from lightning_modules import registry as methods
from lightning_modules.interface import Method

log = logging.getLogger(__name__)

PROGRAM = "whatwhere"


class WhatWhereCLI(LightningCLI):
    """LightningCLI that refuses a checkpoint of other hyperparameters.

    Lightning's own takes the checkpoint's hyperparameters in silence, whatever the command line
    says.
    """

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration as it was written."""

    def before_instantiate_classes(self) -> None:
        """Compare the configuration with the checkpoint it is to go on from.

        Raises:
            CheckpointMismatchError: they differ; names every difference.
        """
        config = self.config[self.config.subcommand]
        path = config.get("ckpt_path")
        if path is None or not Path(path).is_file():
            return  # Trainer.fit has words for a missing file, and for "last" and "best"
        model = config["model"]
        check_hyperparameters(Path(path), model["class_path"], dict(model["init_args"].items()))


def check_hyperparameters(path: Path, class_path: str, arguments: dict[str, Any]) -> None:
    """Compare a checkpoint's hyperparameters with a configuration.

    Args:
        path: the checkpoint.
        class_path: the configured method.
        arguments: its configured arguments.

    Raises:
        CheckpointMismatchError: they differ; names every difference and the remedy.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    stored: dict[str, Any] = dict(checkpoint.get("hyper_parameters", {}))
    stored_class = stored.pop("_class_path", class_path)
    differences = []
    if stored_class != class_path:
        differences.append(f"class_path: {stored_class} in the checkpoint, {class_path} here")
    for name in sorted(stored.keys() & arguments.keys()):
        if _plain(stored[name]) != _plain(arguments[name]):
            differences.append(
                f"{name}: {stored[name]!r} in the checkpoint, {arguments[name]!r} here"
            )
    if differences:
        raise CheckpointMismatchError(
            f"{path} was trained with other hyperparameters ({'; '.join(differences)}). Give the "
            "same ones to go on, or leave out --ckpt_path to train afresh"
        )


def main(arguments: Sequence[str]) -> None:
    """Run LightningCLI; classes of the registries may be named without their packages.

    Args:
        arguments: e.g. ``["fit", "-c", "config.yaml", "--trainer.max_epochs", "1"]``.
    """
    # A class is known by its short name once it is imported.
    for registry in (methods, datasets):
        for name in registry.ids():
            try:
                registry.load(name)
            except (ImportError, AttributeError, TypeError) as error:
                log.warning("'%s' cannot be imported: %s", name, error)
    # LightningCLI warns when it is given arguments while the process has some of its own.
    old, sys.argv = sys.argv, [PROGRAM, *arguments]
    # Lightning's own use of jsonargparse; nothing a user could do about it.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pytorch_lightning\.cli")
    strict = {"prog": PROGRAM, "allow_abbrev": False}
    try:
        WhatWhereCLI(
            model_class=Method,
            datamodule_class=DataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={"callbacks": [TrainingGuard()], "num_sanity_val_steps": 0},
            # --trainer.max_epoch would else be taken for max_epochs.
            parser_kwargs=strict | {"fit": strict},
        )
    finally:
        sys.argv = old


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
