import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from datamodules import registry
from datamodules.interface import DataModule


def outside(monkeypatch, target):
    point = EntryPoint("my_faces", target, "whatwhere.datasets")
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
