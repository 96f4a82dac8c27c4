"""A method, a dataset and a table from outside the packages: nothing else has to change."""

import json
import shutil
import subprocess
import sys

import pytest

from tests import plugins

POINTS = {
    "whatwhere.methods": {"outside_brightness": "outside_points:Brightness"},
    "whatwhere.datasets": {"outside_squares": "outside_squares:Squares"},
}


@pytest.fixture
def package(tmp_path):
    """The folder of an installed package with one of each."""
    folder = tmp_path / "site"
    plugins.install(folder, "outside_pack", POINTS)
    for path in (plugins.ROOT / "tests" / "outside").glob("outside*"):
        shutil.copy(path, folder)
    return folder


def test_the_registries_know_them(package, monkeypatch):
    from datamodules import registry as datasets
    from lightning_modules import registry as methods

    assert "outside_brightness" not in methods.ids()
    monkeypatch.syspath_prepend(package)
    assert "outside_brightness" in methods.ids() and "outside_squares" in datasets.ids()
    for name in ("outside_points", "outside_squares"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert methods.load("outside_brightness").__name__ == "Brightness"
    assert datasets.load("outside_squares").name == "outside_squares"
    for name in ("outside_points", "outside_squares"):
        monkeypatch.delitem(sys.modules, name)


def test_their_table_runs_from_end_to_end(package, tmp_path):
    results = tmp_path / "results"
    command = [sys.executable, "-m", "benchmarks", "bench", str(package / "outside.yaml")]
    command += ["--budget", "smoke", "--results", str(results), "--devices", "cpu"]
    command += ["--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        command,
        env=plugins.environment(package),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Squares found by their brightness" in done.stdout
    assert "Claims: 1 holds" in done.stdout
    cells = {}
    for path in (results / "cells" / "outside").iterdir():
        cell = json.loads(path.read_text())
        cells[cell["row"]] = cell
        assert cell["status"] == "ok", cell["reason"]
        assert cell["data_counts"] == dict.fromkeys(("unsupervised", "val", "train", "test"), 24)
        # The corners are the centre plus constants: exact with an intercept, hopeless without.
        assert cell["metrics"]["nme_b"] == pytest.approx(0, abs=1e-3)
        assert cell["metrics"]["nme"] > 10
        assert (results / "runs" / cell["cell_id"] / "pictures" / "landmarks.png").exists()
    assert {row: cell["epochs"] for row, cell in cells.items()} == {"trained": 2, "dim": 0}
    # A linear map does not care for a gain.
    assert cells["dim"]["metrics"]["nme"] == pytest.approx(cells["trained"]["metrics"]["nme"], 1e-4)
