"""Typed forms of a budget: how much a cell may cost, in data, training and network sizes."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

Seed = Annotated[int, Field(ge=0, lt=2**31)]

BF16: Final = "-bf16"
"""Ends the name of a budget whose networks are trained in bfloat16 mixed precision."""

UNHASHED_DATA = frozenset({"root", "cache_dir", "num_workers", "source", "seed"})
"""Arguments of a datamodule that are no part of a cell's ``data``: paths and workers do not change
numbers, source and seed are fields of the cell itself."""


class Model(BaseModel):
    """Base of what is read from files: nothing unknown, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class TrainerArgs(Model):
    """What a spec may set of Lightning's Trainer: only what changes numbers.

    In a budget these are defaults, in a row they override the budget's.
    """

    max_epochs: int | None = Field(default=None, ge=1)
    gradient_clip_val: float | None = Field(default=None, gt=0)
    accumulate_grad_batches: int | None = Field(default=None, ge=1)
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] | None = None
    limit_train_batches: int | None = Field(default=None, ge=1)
    limit_val_batches: int | None = Field(default=None, ge=0)
    check_val_every_n_epoch: int | None = Field(default=None, ge=1)

    def given(self) -> dict[str, Any]:
        """The arguments that were set."""
        return self.model_dump(exclude_none=True)


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    for name, value in arguments.items():
        try:
            json.dumps(value, allow_nan=False)
        except TypeError as error:
            raise ValueError(f"'{name}' is {value!r}: {error}; quotes make it text") from error
        except ValueError as error:
            raise ValueError(f"'{name}' is {value!r}: not a finite number") from error
    return arguments


Arguments = Annotated[dict[str, Any], AfterValidator(_plain)]
"""Arguments of a class that a spec may set: what JSON can hold, for a cell's id is made of it."""


def _no_paths(data: dict[str, Any]) -> dict[str, Any]:
    for key in sorted(UNHASHED_DATA & data.keys()):
        raise ValueError(f"'{key}' belongs to the command line, not into a spec")
    return data


DataArguments = Annotated[Arguments, AfterValidator(_no_paths)]
"""Arguments of a datamodule that a spec may set."""


class Pretraining(Model):
    """A first training on other data, before the one on the table's own.

    Args:
        dataset: its id.
        data: arguments of its datamodule.
        trainer: how long to train.
        only: there is no training on the table's own data, which is for scoring alone.
    """

    dataset: str
    data: DataArguments = {}
    trainer: TrainerArgs
    only: bool = False


class Budget(Model):
    """How much a cell may cost: data, training and network sizes.

    Args:
        data: arguments of the datamodule, e.g. ``image_size``, ``batch_size``.
        trainer: how long to train.
        trainers: method id -> what is other for its rows: an epoch is longer for some than others.
        pretrain: what every row is trained on first, if anything.
        methods: method id -> arguments that all rows with this method share.
        timeout_minutes: a cell that takes longer is stopped, status ``timeout``.
        seeds: the seeds run when none are asked for.
    """

    data: DataArguments = {}
    trainer: TrainerArgs = TrainerArgs()
    trainers: dict[str, TrainerArgs] = {}
    pretrain: Pretraining | None = None
    methods: dict[str, Arguments] = {}
    timeout_minutes: float | None = Field(default=None, gt=0)
    seeds: list[Seed] = Field(default=[0], min_length=1)

    def in_bf16(self) -> Budget:
        """The same with training in bfloat16 mixed precision, which changes its numbers."""
        mixed = {"precision": "bf16-mixed"}
        changed: dict[str, Any] = {"trainer": self.trainer.model_copy(update=mixed)}
        if self.pretrain is not None:
            trainer = self.pretrain.trainer.model_copy(update=mixed)
            changed["pretrain"] = self.pretrain.model_copy(update={"trainer": trainer})
        return self.model_copy(update=changed)

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"a seed stands twice in {seeds}")
        return seeds
