import os
import subprocess

import numpy as np
import pytest

from benchmarks import environment
from tests import plugins


@pytest.fixture
def fresh():
    environment.commit_and_dirty.cache_clear()
    yield
    environment.commit_and_dirty.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch, fresh):
    """A git checkout with one commit that takes the place of this one."""
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "a.py").write_text("1")
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    monkeypatch.setattr(environment, "PROJECT_ROOT", tmp_path)
    return tmp_path


def test_commit_and_dirty_are_of_the_code_and_not_of_notes_beside_it(checkout):
    commit, dirty = environment.commit_and_dirty()
    assert len(commit) == 40 and not dirty
    environment.commit_and_dirty.cache_clear()
    (checkout / "notes.txt").write_text("mine")
    assert environment.commit_and_dirty() == (commit, False)
    environment.commit_and_dirty.cache_clear()
    (checkout / "benchmarks" / "new.py").write_text("2")
    assert environment.commit_and_dirty() == (commit, True)


def test_outside_a_checkout_nothing_vouches_for_a_number(checkout, monkeypatch):
    # An installed copy inside somebody else's repository is not that repository's code.
    monkeypatch.setattr(environment, "PROJECT_ROOT", checkout / "benchmarks")
    assert environment.commit_and_dirty() == ("unknown", True)


class Installed:
    """What pip notes of a copy in ``folder``."""

    def __init__(self, folder, origin):
        self.folder, self.origin = folder, origin

    def locate_file(self, name):
        return self.folder / name

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.origin


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ('{"url": "u", "vcs_info": {"vcs": "git", "commit_id": "' + "b" * 40 + '"}}', "b" * 40),
        ('{"url": "file:///a", "dir_info": {}}', "unknown"),
        (None, "unknown"),
    ],
)
def test_what_pip_installed_from_a_revision_is_that_revision(
    tmp_path, monkeypatch, fresh, origin, wanted
):
    monkeypatch.setattr(environment, "PROJECT_ROOT", tmp_path)
    installed = Installed(tmp_path, origin)
    monkeypatch.setattr(environment, "distribution", lambda name: installed)
    assert environment.commit_and_dirty() == (wanted, wanted == "unknown")
    # Another copy than the one that runs vouches for nothing.
    environment.commit_and_dirty.cache_clear()
    installed.folder = tmp_path / "elsewhere"
    assert environment.commit_and_dirty() == ("unknown", True)


def test_peak_memory_is_what_was_touched():
    block = np.ones(400 * 2**17)
    peak = environment.peak_memory_mib()
    assert block.nbytes / 2**20 < peak < 20_000
    del block
    # The kernel counts per thread and adds up now and then: a reading may be a little stale.
    assert environment.peak_memory_mib() >= 0.99 * peak


def test_threads_are_limited_by_the_usual_variable(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    available = environment.cpu_count()
    assert available >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert environment.cpu_count() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert environment.cpu_count() == available


@pytest.mark.parametrize("file", ["points_of_mine.py", "points_of_mine/inner/net.py"])
def test_packages_that_bring_methods_are_known_by_version_and_code(tmp_path, monkeypatch, file):
    def found():
        environment.versions.cache_clear()
        return environment.versions().get("my-points")

    plugins.install(
        tmp_path, "my-points", {"whatwhere.methods": {"mine": "points_of_mine.inner.net:Points"}}
    )
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("raise SystemExit('nothing is run for this')")
    if path.parent != tmp_path:
        (tmp_path / "points_of_mine" / "__init__.py").touch()
    before = found()
    monkeypatch.syspath_prepend(tmp_path)
    one = found()
    path.write_text("# changed")
    two = found()
    assert before is None
    assert one.startswith("1.0 (code ") and two.startswith("1.0 (code ") and one != two
    assert found() == two
    monkeypatch.undo()
    environment.versions.cache_clear()
