"""Device slots: where cells may run side by side, one process each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

AUTO_CPU_CELLS: Final = 4
"""Cells that ``auto`` runs side by side on a CPU, at most: each holds a gigabyte or two."""


@dataclass(frozen=True)
class Slot:
    """A place for one cell at a time.

    Args:
        device: what the cell is told, ``cpu`` or ``cuda``.
        visible: ``CUDA_VISIBLE_DEVICES`` of its process; None leaves the variable alone.
        threads: CPU threads of each of its processes.
        number: tells places on the same device apart.
        devices: processes on a machine that train it together, with a GPU each if it has any.
        nodes: machines that it takes.
    """

    device: str
    visible: str | None
    threads: int
    number: int = 0
    devices: int = 1
    nodes: int = 1

    @property
    def name(self) -> str:
        """Short words for people."""
        if self.visible:
            return f"{self.device}:{self.visible}"
        return f"{self.device} {self.number}" if self.number else self.device


def parse_devices(
    text: str, *, available: int, visible: str | None, threads: int, cells: int
) -> list[Slot]:
    """Read ``DEVICES``.

    Args:
        text: ``auto``, ``cpu``, ``cpu:2`` for two cells at a time on the CPU, a number of GPUs
            (``2``) or a list of them (``0,3`` or ``1,``). ``auto`` is every GPU; without one, as
            many cells on the CPU as there are threads, for two networks of this size with a thread
            each are trained sooner than one after the other with two.
        available: GPUs that this process sees.
        visible: this process's ``CUDA_VISIBLE_DEVICES``: a GPU's number counts within it.
        threads: CPU threads of the machine; slots share them.
        cells: how many there are to run; ``auto`` makes no more places on a CPU than that.

    Raises:
        ValueError: this is no such list, or a GPU is not there.
    """
    text = text.strip().lower() or "auto"
    if text == "auto":
        side = max(1, min(threads, cells, AUTO_CPU_CELLS))
        text = str(available) if available else f"cpu:{side}"
    side_by_side = re.fullmatch(r"cpu(?::([1-9][0-9]?))?", text)
    if side_by_side is not None:
        count = int(side_by_side[1] or 1)
        share = max(1, threads // count)
        return [Slot("cpu", "", share, n + 1 if count > 1 else 0) for n in range(count)]
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not numbers or not all(re.fullmatch(r"[0-9]{1,4}", number) for number in numbers):
        raise ValueError(
            f"'{text}' are no devices: give cpu, cpu:2, a number of GPUs (2) or a list (0,3)"
        )
    chosen = [int(number) for number in numbers] if "," in text else list(range(int(numbers[0])))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"'{text}': no GPU, or one twice; give cpu, a number (2) or a list (0,3)")
    if max(chosen) >= available:
        raise ValueError(
            f"'{text}': this machine shows {available} GPUs; --devices cpu runs without"
        )
    names = [name.strip() for name in visible.split(",")] if visible else None
    share = max(1, threads // len(chosen))
    return [Slot("cuda", names[n] if names else str(n), share) for n in chosen]


def together(slots: Sequence[Slot], devices: int) -> list[Slot]:
    """Places for cells that take several devices each.

    Args:
        slots: places for cells with one device each.
        devices: processes of a cell; GPUs are dealt out in their order, CPU threads are shared.

    Raises:
        ValueError: there are not so many GPUs.
    """
    if devices == 1:
        return list(slots)
    if slots[0].device == "cpu":
        return [
            replace(slot, devices=devices, threads=max(1, slot.threads // devices))
            for slot in slots
        ]
    groups = [slots[n : n + devices] for n in range(0, len(slots), devices)]
    full = [group for group in groups if len(group) == devices]
    if not full:
        raise ValueError(f"a cell is to take {devices} GPUs, and there are {len(slots)} to choose")
    return [
        replace(group[0], visible=",".join(str(slot.visible) for slot in group), devices=devices)
        for group in full
    ]


def check_device(device: str) -> None:
    """Look whether a cell can run on a device.

    Args:
        device: ``cpu``, ``mps``, ``cuda`` or ``cuda:1``.

    Raises:
        ValueError: this is no device, or it is not there.
    """
    import torch

    found = re.fullmatch(r"cpu|mps|cuda(?::([0-9]{1,4}))?", device)
    if found is None:
        raise ValueError(f"'{device}' is no device: give cpu, mps, cuda or cuda:1")
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": int(found.group(1) or 0) < torch.cuda.device_count(),
    }
    if not there[device.partition(":")[0]]:
        raise ValueError(f"'{device}' is not there; --device cpu runs everywhere")
