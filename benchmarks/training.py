"""The Trainer of a cell's stage, for one process or for several that share it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy

from benchmarks.checkpoints import AtomicCheckpointIO
from benchmarks.ranks import World
from lightning_modules.interface import Method
from lightning_modules.layers.shared_norm import share_norms


def can_share(method: Method) -> bool:
    """Whether several processes can train a method: it descends along a gradient.

    What only looks at its pictures, a memory or a mean, is done by one.
    """
    return method.automatic_optimization and any(p.requires_grad for p in method.parameters())


def make_trainer(
    arguments: dict[str, Any],
    *,
    device: torch.device,
    world: World,
    callbacks: Sequence[pl.Callback],
    logger: Any,
    folder: Path,
    progress_bar: bool,
) -> pl.Trainer:
    """Build a Trainer that leaves signals, samplers and other machines to the cell.

    Args:
        arguments: of the stage.
        device: of a cell with one process; its kind, where there are several.
        world: the processes that train together.
        callbacks: in their order.
        logger: W&B's, or None.
        folder: the run folder.
        progress_bar: Lightning's own bar.
    """
    on_cuda = device.type == "cuda"
    devices: Any = [device.index or 0] if on_cuda else 1
    several: dict[str, Any] = {}
    if world.size > 1:
        devices = list(range(world.devices)) if on_cuda else world.devices
        several = {
            # Some methods leave parameters out of a step: frozen ones, or of another phase.
            "strategy": DDPStrategy(find_unused_parameters=True),
            "num_nodes": world.nodes,
            "sync_batchnorm": on_cuda,
        }
    return pl.Trainer(
        **arguments,
        **several,
        accelerator="gpu" if on_cuda else device.type,
        devices=devices,
        # No other cluster's environment: a cell's processes are its own affair, wherever it runs,
        # and only who submitted it asks a queue to run it again.
        plugins=[LightningEnvironment(), AtomicCheckpointIO()],
        # grid_sample has no deterministic backward on CUDA: True would raise.
        deterministic="warn" if on_cuda else None,
        logger=logger or False,
        callbacks=list(callbacks),
        default_root_dir=folder,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
    )


def prepare_to_share(method: Method, device: torch.device, world: World) -> None:
    """Normalise over all processes' batches, as a single process does over the whole."""
    if world.size > 1 and device.type == "cpu":
        share_norms(method)
