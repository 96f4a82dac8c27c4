"""Packages that are installed for one test: a folder on the path with its metadata."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

EntryPoints = Mapping[str, Mapping[str, str]]


def install(folder: Path, name: str, entry_points: EntryPoints) -> None:
    """Write the metadata that ``pip install`` would; modules lie in ``folder`` themselves.

    ``entry_points`` is group -> {id: "module:Class"}, as in a ``pyproject.toml``.
    """
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for group, points in entry_points.items():
        lines.append(f"[{group}]")
        lines += [f"{point} = {target}" for point, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def environment(folder: Path) -> dict[str, str]:
    """Variables with which a new Python finds the package, and this checkout."""
    given = filter(None, [os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), *given])}
