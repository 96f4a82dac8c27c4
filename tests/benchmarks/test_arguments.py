"""Arguments held against what a class takes."""

from pathlib import Path
from typing import Literal

import pytest
import torch

from benchmarks.arguments import ArgumentsError, check_arguments, check_names
from benchmarks.specs import SpecError, load_spec
from tests.benchmarks.tiny import SPEC


class Base:
    def __init__(self, *, needed, optional=1):
        pass


class Child(Base):
    def __init__(self, own=2, **others):
        super().__init__(**others)


class Open:
    def __init__(self, **anything):
        pass


class Typed:
    def __init__(
        self,
        width: int = 1,
        rate: float = 0.1,
        sizes: tuple[int, ...] = (),
        kind: Literal["a", "b"] = "a",
        late: int = None,  # noqa: RUF013  people write so
        layer: torch.nn.Module | None = None,
        where: Path = Path(),
    ):
        pass


def test_arguments_are_followed_up_the_base_classes():
    check_arguments("here", Child, {"needed": 1, "own": 1, "optional": 1})
    check_arguments("here", Open, {"whatever": 1})
    with pytest.raises(
        ArgumentsError, match=r"here: Child takes no argument 'optinal'; .* optional"
    ):
        check_arguments("here", Child, {"needed": 1, "optinal": 1})
    with pytest.raises(ArgumentsError, match="here: Child needs needed"):
        check_names("here", Child, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 3),
        ("rate", 3),
        ("rate", 2e-4),
        ("sizes", [1, 2]),
        ("kind", "b"),
        ("late", None),
        ("where", "a/b"),
        ("where", Path("a/b")),  # of a program
        ("layer", "anything"),  # no file can hold one
    ],
)
def test_types_are_those_that_yaml_writes(name, value):
    check_arguments("here", Typed, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("width", "32", "integer"),
        ("width", 1.5, "integer"),
        ("width", None, "integer"),
        ("rate", "fast", "number"),
        ("sizes", [1, "2"], "integer"),
        ("sizes", 3, "tuple|array"),
        ("kind", "c", "'a' or 'b'"),
    ],
)
def test_another_type_is_named(name, value, what):
    with pytest.raises(ArgumentsError, match=rf"here: Typed .*'{name}': .*({what})") as told:
        check_arguments("here", Typed, {name: value})
    assert repr(value) in str(told.value)


@pytest.mark.parametrize(
    ("value", "what"),
    [("2024-01-01", "not JSON serializable; quotes make it text"), (".nan", "not a finite number")],
)
def test_a_table_holds_only_what_a_cells_id_can_be_made_of(tmp_path, value, what):
    path = tmp_path / "odd.yaml"
    path.write_text(SPEC.replace("lr: 1e-2", f"lr: {value}"))
    with pytest.raises(SpecError, match=rf"odd\.yaml: budgets\.smoke\..*'lr' is .*{what}"):
        load_spec(path)
