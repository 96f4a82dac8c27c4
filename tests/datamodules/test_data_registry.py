import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from datamodules import registry
from datamodules.interface import DataModule


def outside(monkeypatch, target, name="my_faces"):
    point = EntryPoint(name, target, "whatwhere.datasets")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])


@pytest.mark.parametrize("dataset", sorted(registry.DATASETS))
def test_every_dataset_loads(dataset):
    found = registry.load(dataset)
    assert issubclass(found, DataModule)
    assert found.name == dataset
    assert {found.training_split, found.validation_split} <= set(found.splits)


def test_unknown_ids_name_the_nearest():
    with pytest.raises(registry.UnknownDatasetError, match="did you mean celeba"):
        registry.load("celebaa")


def test_outside_packages_join_by_entry_point(monkeypatch):
    module = ModuleType("my_package")
    module.MyFaces = type("MyFaces", (DataModule,), {"name": "my_faces"})
    monkeypatch.setitem(sys.modules, "my_package", module)
    outside(monkeypatch, "my_package:MyFaces")
    assert "my_faces" in registry.ids()
    assert registry.load("my_faces") is module.MyFaces


def test_what_is_no_datamodule_is_refused(monkeypatch):
    outside(monkeypatch, "collections:OrderedDict")
    with pytest.raises(TypeError, match="not a subclass of DataModule"):
        registry.load("my_faces")


def test_an_id_that_is_taken_is_refused(monkeypatch):
    outside(monkeypatch, "my_package:MyMUG", name="mug")
    with pytest.raises(ValueError, match=r"'mug' would be my_package:MyMUG.*datamodules.mug:MUG"):
        registry.ids()


@pytest.mark.parametrize("target", ["nowhere_at_all:Faces", "collections:Nothing"])
def test_what_cannot_be_imported_is_named_with_its_package(monkeypatch, target):
    outside(monkeypatch, target)
    with pytest.raises(ValueError, match=f"'my_faces' cannot be imported from {target}"):
        registry.load("my_faces")
