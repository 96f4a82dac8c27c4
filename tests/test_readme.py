"""What README.md and CONTRIBUTING.md say is true: the example runs, commands and files exist."""

import json
import re
import sys
import tomllib

import pytest
import typer

import lightning_modules
from benchmarks import cli
from lightning_modules import registry
from tests import plugins

README = plugins.ROOT / "README.md"
CONTRIBUTING = plugins.ROOT / "CONTRIBUTING.md"
DOCUMENTS = [
    README,
    CONTRIBUTING,
    *sorted((plugins.ROOT / "docs").glob("*.md")),
    *sorted((plugins.ROOT / "lightning_modules").rglob("README.md")),
]


def block(language: str) -> str:
    """The README's only code block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)
    return found


def test_the_example_is_short():
    lines = [line for line in block("python").splitlines() if line.strip()]
    assert len(lines) < 40


def outside(folder, monkeypatch):
    """The example as a package of its own, as README has it."""
    (folder / "my_points.py").write_text(block("python"))
    project = tomllib.loads(block("toml"))["project"]
    plugins.install(folder, project["name"].replace("-", "_"), project["entry-points"])
    monkeypatch.syspath_prepend(folder)


def inside(folder, monkeypatch):
    """The example as a folder of the suite and a line of its registry, as CONTRIBUTING has it."""
    room = folder / "lightning_modules" / "point_painter"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text("")
    (room / "module.py").write_text(block("python"))
    monkeypatch.setattr(
        lightning_modules, "__path__", [*lightning_modules.__path__, str(room.parent)]
    )
    line = "lightning_modules.point_painter.module:PointPainter"
    monkeypatch.setitem(registry.METHODS, "point_painter", line)


@pytest.mark.parametrize("added", [outside, inside])
def test_the_example_is_scored_as_a_cell(added, tmp_path, monkeypatch, capsys):
    known = set(sys.modules)
    added(tmp_path, monkeypatch)
    (tmp_path / "my_table.yaml").write_text(block("yaml"))
    arguments = ["cell", str(tmp_path / "my_table.yaml"), "painter-k10", "--budget", "smoke"]
    arguments += ["--results", str(tmp_path / "results"), "--cache-dir", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", ["whatwhere", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    cell = json.loads(capsys.readouterr().out)
    assert (cell["method"], cell["status"], cell["epochs"]) == ("point_painter", "ok", 1)
    assert 0 < cell["metrics"]["nme_b"] < 100
    pictures = tmp_path / "results" / "runs" / cell["cell_id"] / "pictures"
    drawn = {path.stem for path in pictures.iterdir()}
    assert {"particles", "landmarks", "reconstructions"} <= drawn
    for name in set(sys.modules) - known:
        if "my_points" in name or "point_painter" in name:
            monkeypatch.delitem(sys.modules, name)


def commands(group: typer.core.TyperGroup) -> dict[str, set[str]]:
    """``data prepare`` -> its options, for every command."""
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= {f"{name} {inner}": options for inner, options in commands(command).items()}
        else:
            options = [[*item.opts, *item.secondary_opts] for item in command.params]
            found[name] = {option for names in options for option in names}
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(plugins.ROOT)))
def test_commands_targets_and_links_exist(path):
    text = path.read_text()
    known = commands(typer.main.get_command(cli.app))
    typed = re.findall(r"whatwhere ((?:(?:data|wandb) )?[a-z]+)((?: [^\s`|)]+)*)", text)
    for name, rest in typed:
        if name.split()[0] not in {known_name.split()[0] for known_name in known}:
            continue  # a sentence about whatwhere
        assert name in known, f"whatwhere {name}"
        if name != "fit":
            unknown = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) - known[name]
            assert not unknown, f"whatwhere {name} takes no {unknown}"
    makefile = (plugins.ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+(?:-%)?):", makefile, re.M)
    for target in re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, re.M):
        name = "".join(target)
        assert re.sub(r"-[\w-]+$", "-%", name) in targets or name in targets, f"make {name}"
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).exists(), link


def test_the_readme_names_every_variable_of_the_makefile():
    makefile = (plugins.ROOT / "Makefile").read_text()
    variables = set(re.findall(r"^([A-Z_]+)\s+\?=", makefile, re.M)) - {"PYTHON", "VENV"}
    assert len(variables) > 8
    text = README.read_text()
    assert {name for name in variables if not re.search(rf"\b{name}\b", text)} == set()
