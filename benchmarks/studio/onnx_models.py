"""Networks as ONNX models, held to what PyTorch computes.

ONNX and onnxscript are an extra (``whatwhere[export]``), as is ONNX Runtime, which checks every
model before it is given away.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.studio.networks import Network

Array = NDArray[Any]

CLOSE: Final = 1e-4
"""How far an ONNX model's numbers may lie from PyTorch's, at most; both are of order 1."""
MISSING: Final = (
    "a page without Python needs ONNX, which is not installed: pip install 'whatwhere[export]'"
)
LEAST, MOST = 2, 4096
"""Particles that a decoder of any number of them is traced for."""


def to_onnx(network: Network) -> bytes:
    """A network as an ONNX model of one file.

    Raises:
        ValueError: ONNX is not installed, or the network has a part that it lacks; says which.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(MISSING) from error
    count = torch.export.Dim("count", min=LEAST, max=MOST)
    shapes = tuple({1: count} if name in network.growing else {} for name in network.inputs)
    parameters = inspect.signature(network.module.forward).parameters.values()
    as_one = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    try:
        with torch.no_grad(), _quiet():
            traced = torch.export.export(
                network.module,
                tuple(network.inputs.values()),
                dynamic_shapes=(shapes,) if as_one else shapes,
            )
            program = torch.onnx.export(
                traced.run_decompositions(_decompositions()),
                dynamo=True,
                input_names=list(network.inputs),
                output_names=list(network.outputs),
                external_data=False,
            )
    except RuntimeError as error:  # what both exporters raise
        name = type(network.module).__name__
        raise ValueError(f"{name} cannot be written as ONNX: {_first_line(error)}") from error
    assert program is not None
    model: bytes = program.model_proto.SerializeToString()
    return model


def run_onnx(model: bytes, inputs: Mapping[str, Tensor]) -> dict[str, Array]:
    """What ONNX Runtime computes, by name.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(MISSING) from error
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given = {name: values.cpu().numpy() for name, values in inputs.items()}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def distance(network: Network, model: bytes, examples: Sequence[Mapping[str, Tensor]]) -> float:
    """The largest difference of a model's outputs from PyTorch's over ``examples``."""
    largest = 0.0
    for inputs in examples:
        wanted = network(**inputs)
        for name, found in run_onnx(model, inputs).items():
            largest = max(largest, float(np.abs(found - wanted[name].cpu().numpy()).max()))
    return largest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells of its steps, and of packages that it could do more with."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir", "onnxscript")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _decompositions() -> Any:
    """Those of torch, and one for distances between points, which its ONNX exporter lacks."""
    table = torch.export.default_decompositions()
    table[torch.ops.aten._cdist_forward.default] = _distances
    return table


def _distances(first: Tensor, second: Tensor, p: float, mode: int | None) -> Tensor:
    assert p == 2
    return (first.unsqueeze(-2) - second.unsqueeze(-3)).square().sum(-1).sqrt()


def _first_line(error: BaseException) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
