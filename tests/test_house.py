"""The rules of the house, held by machine: who imports whom, how long, what is never written."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from benchmarks.protocols.interface import PROTOCOLS, load_protocol
from datamodules import registry as datasets
from lightning_modules import registry as methods
from lightning_modules.interface import Method
from tests.plugins import ROOT

PACKAGES = ("lightning_modules", "datamodules", "benchmarks")
LIBRARY = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
OTHERS = [
    *sorted(ROOT.glob("*.md")),
    *(path for package in PACKAGES for path in (ROOT / package).rglob("*.md")),
    *(path for package in PACKAGES for path in (ROOT / package).rglob("*.yaml")),
    *(ROOT / name for name in ("Makefile", "pyproject.toml", ".ci/run", "CITATION.cff")),
    *(ROOT / ".github").rglob("*.yml"),
]

LONGEST = 400
ENGINES = {"ray", "submitit", "dask"}
DASHBOARDS = {"wandb", "wandb_workspaces"}
FORBIDDEN = {
    "lightning_modules": {"datamodules", "benchmarks", "tests", *DASHBOARDS, *ENGINES},
    "datamodules": {"lightning_modules", "benchmarks", "tests", *DASHBOARDS, *ENGINES},
    "benchmarks": {"tests", *DASHBOARDS, *ENGINES},
}
MAY_IMPORT = {
    "benchmarks/tracking/": DASHBOARDS,
    "benchmarks/engines/ray_tasks.py": {"ray"},
}
"""Of a file, or of all files in a folder."""
PURE_TORCH = ("network.py", "losses.py", "layers/")
"""Parts of a method that are free of Lightning."""

UNCODED_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[)")
HOME = re.compile(r"(?<![\w.])/(home|root|Users|work)/\w|[A-Z]:\\Users")


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of every import, also of those within functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def offences(path: str, text: str) -> Iterator[str]:
    """What a library file does that it must not; ``path`` is relative to the root."""
    tree = ast.parse(text)
    package, names = path.partition("/")[0], imported(tree)
    allowed = {name for place, of in MAY_IMPORT.items() if path.startswith(place) for name in of}
    for name in sorted((names & FORBIDDEN[package]) - allowed):
        yield f"imports {name}"
    pure = package == "lightning_modules" and any(part in path for part in PURE_TORCH)
    if pure and names & {"pytorch_lightning", "lightning"}:
        yield "imports Lightning, though networks, losses and layers are pure torch"
    if len(text.splitlines()) > LONGEST:
        yield f"has more than {LONGEST} lines"
    for number, line in enumerate(text.splitlines(), 1):
        if UNCODED_IGNORE.search(line):
            yield f"line {number}: type: ignore without a code"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"line {node.lineno}: bare except"
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"line {node.lineno}: print"
            # Lightning's save_checkpoint has an argument of the same name and another meaning.
            for keyword in node.keywords if "load" in name_of(node) else ():
                value = getattr(keyword.value, "value", None)
                if keyword.arg == "weights_only" and value is False:
                    yield f"line {node.lineno}: weights_only=False"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_library_files_keep_the_rules(path):
    relative = path.relative_to(ROOT).as_posix()
    assert list(offences(relative, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("path", "text", "offence"),
    [
        ("lightning_modules/a/module.py", "def f():\n    import datamodules.celeba", "datamodules"),
        ("datamodules/a.py", "from lightning_modules.interface import Method", "lightning_modules"),
        ("datamodules/a.py", "from benchmarks import cell", "benchmarks"),
        ("benchmarks/cell.py", "import wandb", "wandb"),
        ("benchmarks/cli_wandb.py", "import wandb_workspaces.workspaces", "wandb_workspaces"),
        ("benchmarks/runner.py", "import ray.util", "ray"),
        ("lightning_modules/a/network.py", "import pytorch_lightning as pl", "pure torch"),
        ("lightning_modules/layers/a.py", "from pytorch_lightning import Trainer", "pure torch"),
        ("benchmarks/a.py", "x = 1\n" * 401, "400 lines"),
        ("benchmarks/a.py", "x = f()  # type: " + "ignore", "without a code"),
        ("benchmarks/a.py", "try:\n    f()\nexcept:\n    pass", "bare except"),
        ("benchmarks/a.py", "print(1)", "print"),
        ("benchmarks/a.py", "torch.load(p, weights_only=False)", "weights_only=False"),
        ("benchmarks/a.py", "M.load_from_checkpoint(p, weights_only=False)", "weights_only=False"),
    ],
)
def test_the_rules_would_be_noticed(path, text, offence):
    (found,) = offences(path, text)
    assert offence in found


def test_what_the_rules_allow():
    assert list(offences("benchmarks/tracking/session.py", "import wandb")) == []
    assert list(offences("benchmarks/a.py", "console.print(1)  # type: ignore[attr-defined]")) == []
    assert list(offences("benchmarks/a.py", "trainer.save_checkpoint(p, weights_only=False)")) == []


def test_no_test_file_is_too_long():
    long = [path for path in TESTS if len(path.read_text().splitlines()) > LONGEST]
    assert long == []


def test_no_file_knows_somebodys_machine():
    this = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in [*LIBRARY, *TESTS, *OTHERS]
        if path != this
        for line in path.read_text(encoding="utf-8").splitlines()
        if HOME.search(line)
    ]
    assert found == []
    assert HOME.search("root: /home/ada/celeba") and not HOME.search("see docs/home/page")


@pytest.mark.parametrize("method", sorted(methods.METHODS))
def test_every_method_loads_and_lives_in_its_room(method):
    found = methods.load(method)
    assert issubclass(found, Method)
    assert found.__module__.startswith("lightning_modules.")


@pytest.mark.parametrize("dataset", sorted(datasets.DATASETS))
def test_every_dataset_loads_under_its_own_name(dataset):
    assert datasets.load(dataset).name == dataset


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_every_protocol_loads_and_has_a_version(protocol):
    assert load_protocol(protocol).VERSION >= 1


def build(method: str) -> Method:
    cls = methods.load(method)
    try:
        return cls(image_size=64)
    except ValueError:  # its defaults are for another size
        return cls()


@pytest.mark.parametrize("method", sorted(methods.METHODS))
def test_every_methods_checkpoint_loads_weights_only(method, tmp_path):
    torch.manual_seed(0)
    made = build(method)
    for buffer in made.buffers():
        if buffer.is_floating_point():
            buffer.add_(0.5)  # what was learned, where that is no parameter
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.strategy.connect(made)
    path = tmp_path / "method.ckpt"
    trainer.save_checkpoint(path)
    stored = torch.load(path, weights_only=True)["hyper_parameters"]
    assert json.loads(json.dumps(stored)).keys() == dict(made.hparams).keys()
    torch.manual_seed(1)
    again = type(made).load_from_checkpoint(path, weights_only=True, map_location="cpu")
    assert dict(again.hparams) == dict(made.hparams)
    state = made.state_dict()
    assert again.state_dict().keys() == state.keys()
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0, msg=name)
