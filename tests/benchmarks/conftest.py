import os
import sys
from pathlib import Path

import pytest

from tests.benchmarks import tiny as tiny_things
from tests.benchmarks.open_browser import chromium


@pytest.fixture(scope="session")
def tiny_spec_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("specs") / "tiny.yaml"
    path.write_text(tiny_things.SPEC)
    return path


@pytest.fixture
def tiny(monkeypatch, tiny_spec_path):
    """The tiny table, its method, dataset and protocol registered; gives a maker of cells."""
    from benchmarks import runner
    from benchmarks.specs import load_spec, resolve_cell

    tiny_things.install(monkeypatch.setitem)
    # For the processes that tests start, wherever pytest was started.
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setattr(runner, "ENTRY", tiny_things.ENTRY)
    spec = load_spec(tiny_spec_path)

    def make(row="good", seed=0, **changes):
        cell = resolve_cell(
            spec,
            row,
            seed=seed,
            budget="smoke",
            source="standin",
            data_fingerprint="0123456789abcdef",
        )
        return cell.model_copy(update=changes)

    make.spec = spec
    make.path = tiny_spec_path
    return make


@pytest.fixture
def command(tiny, monkeypatch, capsys):
    """Run ``whatwhere ...`` in this process: exit code, output, errors."""

    from benchmarks import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["whatwhere", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, said.err

    run.table = str(tiny.path)
    return run


@pytest.fixture(scope="module")
def browser():
    """Chromium, where there is one: else tests are skipped with the reason, and fail in CI."""
    with chromium() as opened:
        yield opened
