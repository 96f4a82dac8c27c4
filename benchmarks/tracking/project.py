"""A project on a W&B server: which one is meant, and a connection with errors that help."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import wandb
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from benchmarks.tracking.session import TrackingError, check_account, project_name

_ENTITY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_NAME: Final = re.compile(r"[^/\\#?%:\x00-\x1f]{1,128}")
"""All but the signs that W&B refuses."""


@dataclass(frozen=True)
class Project:
    """Where runs are.

    Args:
        entity: user or team that owns it; empty for the account's own.
        name: its name.
    """

    entity: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Project:
        """``entity/project``, ``project`` or nothing, for which the environment speaks.

        Raises:
            TrackingError: this is no project.
        """
        entity, _, name = text.rpartition("/")
        entity = entity or os.environ.get("WANDB_ENTITY", "")
        name = name or project_name()
        if not (_ENTITY.fullmatch(entity or "own") and _NAME.fullmatch(name) and name.strip(". ")):
            raise TrackingError(f"'{text or name}' is no W&B project; give ENTITY/PROJECT")
        return cls(entity, name)

    @property
    def path(self) -> str:
        """``entity/project``."""
        return f"{self.entity}/{self.name}"

    def owned(self, api: wandb.Api) -> Project:
        """The same project with its owner, the account's own entity where none is named.

        Raises:
            TrackingError: the account has none.
        """
        entity = self.entity or api.default_entity
        if not entity:
            raise TrackingError(f"whose project '{self.name}' is? Give ENTITY/{self.name}")
        return Project(entity, self.name)


def runs_of(
    api: wandb.Api,
    project: Project,
    conditions: Mapping[str, str],
    *,
    job: str | None = None,
    whole: bool = False,
) -> Iterator[Any]:
    """A project's runs, page by page.

    Args:
        api: the client's.
        project: with its owner.
        conditions: configuration key -> value that a run has to have.
        job: only runs of this job type.
        whole: with configurations and summaries, which else are asked for run by run.

    Raises:
        TrackingError: there is no such project.
    """
    filters = {f"config.{key}": value for key, value in conditions.items()}
    if job is not None:
        filters["jobType"] = job
    with found(project):
        yield from api.runs(project.path, filters=filters, lazy=not whole)


@contextlib.contextmanager
def found(project: Project) -> Iterator[None]:
    """Within the block the client's word for a project that is not there becomes ours.

    Raises:
        TrackingError: there is no such project.
    """
    try:
        yield
    except ValueError as error:
        words = str(error)
        if "Could not find project" not in words and "does not exist under entity" not in words:
            raise
        raise TrackingError(
            f"there is no W&B project {project.path} that you may see; runs make it: `wandb sync` "
            "sends offline ones"
        ) from error


@contextlib.contextmanager
def connected(project: Project) -> Iterator[tuple[wandb.Api, Project]]:
    """The client's API and the project with its owner; errors within become ours.

    What the client writes on the way goes to a folder that goes again.

    Raises:
        TrackingError: no account, or the server does not do what it is asked.
    """
    check_account("This")
    old = os.environ.get("WANDB_DIR")
    try:
        with tempfile.TemporaryDirectory(prefix="whatwhere-wandb-") as folder:
            os.environ["WANDB_DIR"] = folder
            api = wandb.Api()
            yield api, project.owned(api)
    except (wandb.Error, WandbApiFailedError) as error:
        raise TrackingError(f"W&B project {project.path.lstrip('/')}: {error}") from error
    finally:
        if old is None:
            os.environ.pop("WANDB_DIR", None)
        else:
            os.environ["WANDB_DIR"] = old
