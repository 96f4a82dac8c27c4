"""Timing of the sections, each in a process of its own, beside the machine's matrix rate.

Machines differ and are noisy, so a speed alone says little: every report holds the rate at which
this machine multiplies float32 matrices with the same threads, and the training step's ratio to
the plain reference, measured in turns within one run.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch.utils.benchmark import Timer

from benchmarks.perf.sections import SECTIONS

_SECONDS: Final = 3.0
_MATRIX: Final = 2048


@dataclass(frozen=True)
class Measurement:
    """One section in one process.

    Args:
        section: its id.
        title: what a step does.
        images_per_second: by the median step.
        peak_memory_mib: of the whole process.
        gflops: float32 matrix products on this machine just before, 10^9 operations a second.
    """

    section: str
    title: str
    images_per_second: float
    peak_memory_mib: float
    gflops: float


def matrix_rate(threads: int) -> float:
    """Float32 matrix products of 2048 x 2048, in GFLOP/s."""
    a, b = torch.rand(_MATRIX, _MATRIX), torch.rand(_MATRIX, _MATRIX)
    timer = Timer("a @ b", globals={"a": a, "b": b}, num_threads=threads)
    return 2 * _MATRIX**3 / timer.blocked_autorange(min_run_time=0.5).median / 1e9


def measure_here(section: str, threads: int) -> Measurement:
    """Time one section in this process."""
    torch.set_num_threads(threads)
    rate = matrix_rate(threads)
    made = SECTIONS[section]()
    timer = Timer("step()", globals={"step": made.step}, num_threads=threads)
    median = timer.blocked_autorange(min_run_time=_SECONDS).median
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mib = peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Measurement(section, made.title, made.images / median, mib, rate)


def measure_apart(section: str, threads: int) -> Measurement:
    """Time one section in a fresh process.

    Raises:
        RuntimeError: the process failed; the message is the end of what it said.
    """
    command = [sys.executable, "-m", "benchmarks.perf", section, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def report(threads: int = 2, rounds: int = 3) -> dict[str, Any]:
    """Measure every section ``rounds`` times in turns.

    Returns:
        JSON-able: the machine, every section's median and spread, and ``speedups``, by section the
        median over rounds of its ratio to its plain reference.
    """
    runs: dict[str, list[Measurement]] = {name: [] for name in SECTIONS}
    for _ in range(rounds):
        for name in SECTIONS:
            runs[name].append(measure_apart(name, threads))
    sections = {}
    for name, found in runs.items():
        speeds = [m.images_per_second for m in found]
        middle = sorted(found, key=lambda m: m.images_per_second)[len(found) // 2]
        sections[name] = asdict(middle) | {"lowest": min(speeds), "highest": max(speeds)}
    return {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": threads,
            "gflops": statistics.median(m.gflops for found in runs.values() for m in found),
        },
        "sections": sections,
        "speedups": {
            name: statistics.median(
                ours.images_per_second / plain.images_per_second
                for ours, plain in zip(found, runs[f"{name}_plain"], strict=True)
            )
            for name, found in runs.items()
            if f"{name}_plain" in runs
        },
    }


def as_table(found: dict[str, Any]) -> str:
    """A report as Markdown."""
    from tabulate import tabulate

    rows = [
        [s["title"], s["images_per_second"], s["lowest"], s["highest"], s["peak_memory_mib"]]
        for s in found["sections"].values()
    ]
    head = ["section", "images/s", "lowest", "highest", "peak MiB"]
    machine = found["machine"]
    ratios = ", ".join(
        f"{found['sections'][name]['title']} {ratio:.2f}"
        for name, ratio in found["speedups"].items()
    )
    return (
        tabulate(rows, head, tablefmt="pipe", floatfmt=".0f")
        + f"\n\n{machine['threads']} threads at {machine['gflops']:.0f} GFLOP/s (float32 matrix "
        f"products). Times as fast as the plain reference: {ratios}."
    )
