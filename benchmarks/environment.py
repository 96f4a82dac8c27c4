"""Where and with what a number was made: code, versions, device, memory."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PROJECT_ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "scipy",
    "scikit-learn",
)
ENTRY_POINTS: Final = ("whatwhere.methods", "whatwhere.datasets")
"""Groups by which installed packages bring what is theirs."""
UNKNOWN: Final = "unknown"
"""In place of a commit."""
CODE: Final = ("lightning_modules", "datamodules", "benchmarks", "pyproject.toml")


@cache
def commit_and_dirty() -> tuple[str, bool]:
    """The commit of the code that runs, and whether its packages differ from it.

    Installed by pip from a git revision, it is that revision's. ``("unknown", True)`` where there
    is neither a checkout nor a revision: nothing vouches for such a number.
    """
    top = _git("rev-parse", "--show-toplevel")
    commit = _git("rev-parse", "HEAD")
    # An installed copy may lie inside somebody else's repository.
    if not top or not commit or Path(top).resolve() != PROJECT_ROOT:
        installed = _installed_commit()
        return installed or UNKNOWN, not installed
    return commit, _git("status", "--porcelain", "--", *CODE) != ""


def _installed_commit() -> str:
    """The revision that pip installed this copy from (``direct_url.json``, PEP 610), or ""."""
    try:
        suite = distribution("whatwhere")
    except PackageNotFoundError:
        return ""
    ours = Path(str(suite.locate_file("benchmarks"))).resolve() == PROJECT_ROOT / "benchmarks"
    origin = json.loads(suite.read_text("direct_url.json") or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", "")) if ours else ""


@cache
def versions() -> dict[str, str]:
    """Versions of this suite, of Python, of the system and of the libraries numbers depend on.

    So too of packages that bring methods or datasets of their own, with 12 hex digits of their
    code: ``"my-points": "1.0 (code 3f2a90c14b7d)"``.
    """
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("whatwhere", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | _plugins()


def _plugins() -> dict[str, str]:
    roots: dict[str, set[str]] = {}
    about: dict[str, str] = {}
    for group in ENTRY_POINTS:
        for point in entry_points(group=group):
            if point.dist is not None:
                roots.setdefault(point.dist.name, set()).add(point.module.partition(".")[0])
                about[point.dist.name] = point.dist.version
    return {name: f"{about[name]} (code {_source_digest(roots[name])})" for name in sorted(roots)}


def _source_digest(modules: set[str]) -> str:
    """12 hex digits over the Python files of modules or packages, wherever they are installed."""
    digest = hashlib.sha256()
    for module in sorted(modules):
        spec = find_spec(module)
        folders = [] if spec is None else list(spec.submodule_search_locations or [])
        files = [file for folder in folders for file in Path(folder).rglob("*.py")]
        if spec is not None and spec.origin and not folders:
            files = [Path(spec.origin)]
        for file in sorted(files):
            digest.update(f"{module} {file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


@cache
def code_digest(device: str) -> str:
    """64 hex digits over the code that runs, what it runs with, and what it runs on."""
    digest = hashlib.sha256(f"{sorted(versions().items())} {device_name(device)}".encode())
    for path in sorted(PROJECT_ROOT.joinpath(part) for part in CODE):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.exists():
                digest.update(f"{file.relative_to(PROJECT_ROOT)}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def cpu_count() -> int:
    """CPU threads this process may use: the affinity, or ``OMP_NUM_THREADS`` where it is less."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        available = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(limit)) if limit.isdecimal() and int(limit) > 0 else available


def device_name(device: str) -> str:
    """A device in words, e.g. ``cpu (2 threads, Intel Xeon ...)``."""
    import torch

    if device.startswith("cuda"):
        return f"cuda ({torch.cuda.get_device_name(torch.device(device))})"
    return f"{device} ({torch.get_num_threads()} threads, {_cpu_model()})"


def peak_memory_mib() -> float:
    """The most memory this process has held so far, in MiB: resident, or on the accelerator."""
    import torch

    resident = _peak_resident_mib()
    if torch.cuda.is_available():
        return max(resident, torch.cuda.max_memory_allocated() / 2**20)
    return resident


def _peak_resident_mib() -> float:
    # getrusage also counts the parent's memory at the time of the fork; VmHWM does not.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT_ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
