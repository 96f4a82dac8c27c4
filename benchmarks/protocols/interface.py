"""What a protocol gives back, and how it says that a method cannot be scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol

import numpy as np
import torch

from datamodules.interface import DataModule
from lightning_modules.interface import Method


class NotApplicableError(Exception):
    """The method lacks a capability the protocol needs: the cell is ``n/a``, not an error."""


@dataclass(frozen=True)
class ProtocolResult:
    """Numbers of one frozen method under one protocol.

    Args:
        metrics: metric id (see `benchmarks.metrics`) -> value.
        intervals: metric id -> 95 % bootstrap interval over the test samples.
        arrays: what pictures are drawn from (see the protocol's own docstring).
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class EvaluationProtocol(Protocol):
    """A protocol module: a version that a golden test pins, and one function."""

    VERSION: int

    def evaluate(
        self, method: Method, data: DataModule, *, device: torch.device, seed: int
    ) -> ProtocolResult:
        """Score a frozen method.

        Raises:
            NotApplicableError: the method lacks what the protocol needs.
        """
        ...


PROTOCOLS: Final[dict[str, str]] = {
    "landmarks": "benchmarks.protocols.landmarks",
    "wild": "benchmarks.protocols.wild",
    "field": "benchmarks.protocols.field",
    "virtual_keypoints": "benchmarks.protocols.virtual_keypoints",
    "reconstruction": "benchmarks.protocols.reconstruction",
    "views": "benchmarks.protocols.views",
    "expression": "benchmarks.protocols.expression",
    "resampling": "benchmarks.protocols.resampling",
    "leakage": "benchmarks.protocols.leakage",
    "objects": "benchmarks.protocols.objects",
    "sequences": "benchmarks.protocols.sequences",
    "video_prediction": "benchmarks.protocols.video_prediction",
}


def load_protocol(protocol_id: str) -> EvaluationProtocol:
    """The module of a protocol.

    Raises:
        ValueError: no protocol has this id.
    """
    if protocol_id not in PROTOCOLS:
        raise ValueError(f"unknown protocol '{protocol_id}'; known: {', '.join(PROTOCOLS)}")
    module: EvaluationProtocol = import_module(PROTOCOLS[protocol_id])
    return module
