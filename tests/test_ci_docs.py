"""What others copy into their continuous integration: it parses, its commands exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from benchmarks import cli
from tests import plugins

DOCS = plugins.ROOT / "docs"
USAGE = typer.BadParameter.__base__
"""What a wrong command line raises; of click, which newer releases of typer bring along."""
GITHUB, GITLAB = DOCS / "ci-github.yml", DOCS / "ci-gitlab.yml"


def scripts(path: Path) -> list[str]:
    """Every piece of shell in a workflow."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path == GITHUB:
        return [
            step["run"]
            for job in content["jobs"].values()
            for step in job["steps"]
            if "run" in step
        ]
    jobs = [value for value in content.values() if isinstance(value, dict) and "script" in value]
    return [line for job in jobs for line in [*job.get("before_script", []), *job["script"]]]


def typed(script: str) -> list[list[str]]:
    """The whatwhere commands of a script or a document, as words."""
    joined = re.sub(r"\\\n\s*", " ", script)
    lines = re.findall(r"^\s*(whatwhere (?!@).*)$", joined, re.M)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def parse(words: list[str]) -> None:
    """Let the command line parse a command, and run nothing.

    Raises:
        UsageError: there is no such command, option or choice, or an argument is missing.
    """
    command = typer.main.get_command(cli.app)
    name, *rest = words
    assert name in command.commands, f"whatwhere {name}"
    chosen = command.commands[name]
    with command.make_context("whatwhere", [name], resilient_parsing=True) as context:
        chosen.make_context(name, [word.replace("$BUDGET", "smoke") for word in rest], context)


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(script, id=f"github-{i}") for i, script in enumerate(scripts(GITHUB))),
        *(pytest.param(script, id=f"gitlab-{i}") for i, script in enumerate(scripts(GITLAB))),
        pytest.param((DOCS / "ci.md").read_text(encoding="utf-8"), id="ci.md"),
    ],
)
def test_every_command_exists_with_these_options(text):
    for words in typed(text):
        parse(words)


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_a_workflow_measures_checks_and_compares(path):
    found = [words[0] for script in scripts(path) for words in typed(script)]
    assert found == ["bench", "check", "leaderboard", "compare"]
    (check,) = [w for script in scripts(path) for w in typed(script) if w[0] == "check"]
    assert {"--junit", "--json", "--markdown"} <= set(check)
    assert "HOME" not in path.read_text() and "secrets" not in path.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["bench"],
        ["check", "mafl", "--junitxml", "x"],
        ["chek", "mafl"],
        ["compare", "one"],
        ["bench", "mafl", "--source", "fake"],
    ],
)
def test_a_mistake_would_be_noticed(words):
    with pytest.raises((USAGE, AssertionError)):
        parse(words)


def test_github_runs_it_on_pull_requests_and_asks_for_no_more_than_it_needs():
    content = yaml.safe_load(GITHUB.read_text(encoding="utf-8"))
    assert "pull_request" in content[True]  # YAML 1.1 reads `on` as true
    assert content["permissions"] == {"contents": "read", "pull-requests": "write"}
    uses = [step["uses"] for step in content["jobs"]["gate"]["steps"] if "uses" in step]
    ours = (plugins.ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert all(re.search(rf"uses: {re.escape(use)}$", ours, re.M) for use in uses)


def test_gitlab_shows_the_junit_file_that_is_written():
    content = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    gate = content["gate"]
    assert f"--junit {gate['artifacts']['reports']['junit']} " in " ".join(gate["script"])
    assert gate["artifacts"]["when"] == "always"


def test_links_and_files_that_the_document_names_exist():
    text = (DOCS / "ci.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert len(links) >= 3
    assert [link for link in links if not (DOCS / link).exists()] == []
    for name in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (plugins.ROOT / name).exists(), name
