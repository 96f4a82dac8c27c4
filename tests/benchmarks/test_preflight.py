"""What is known to go wrong before anything is trained."""

import pytest
import torch

from benchmarks import preflight
from benchmarks.matrix import NEEDS, Needs
from benchmarks.preflight import PreflightError
from lightning_modules.interface import HasKeypoints
from tests.benchmarks.tiny import TinyData, TinyMethod


def refused(cell):
    with pytest.raises(PreflightError, match="table 'tiny'") as told:
        preflight.check([cell])
    return str(told.value)


def test_cells_that_can_be_finished_pass_and_nothing_is_computed(tiny):
    before = torch.get_default_device()
    preflight.check([tiny(), tiny(seed=1), tiny("untrained")])
    assert torch.get_default_device() == before


def test_a_method_that_cannot_be_built_is_named(tiny):
    said = refused(tiny(args={"image_size": 8, "n_keypoints": -1}))
    assert "row 'good'" in said and "TinyMethod" in said and "'n_keypoints': -1" in said


def test_a_method_that_wants_numbers_in_its_weights_gets_them(tiny, monkeypatch):
    built = TinyMethod.__init__

    def init(self, image_size, n_keypoints=2, lr=0.1, trouble=""):
        built(self, image_size, n_keypoints, lr, trouble)
        self.first = float(self.layer.weight[0, 0])

    monkeypatch.setattr(TinyMethod, "__init__", init)
    preflight.check([tiny()])


def test_missing_files_are_left_to_the_machine_that_runs_the_cell(tiny, monkeypatch):
    def init(self, image_size, n_keypoints=2, lr=0.1, trouble=""):
        raise FileNotFoundError("weights.pth")

    monkeypatch.setattr(TinyMethod, "__init__", init)
    preflight.check([tiny()])


def test_hyperparameters_that_no_checkpoint_gives_back_are_named(tiny, monkeypatch):
    built = TinyMethod.__init__

    def init(self, image_size, n_keypoints=2, lr=0.1, trouble=""):
        built(self, image_size, n_keypoints, lr, trouble)
        self.hparams["activation"] = torch.nn.ReLU()

    monkeypatch.setattr(TinyMethod, "__init__", init)
    said = refused(tiny())
    assert "ReLU()" in said and "save_hyperparameters(ignore=['activation'])" in said


def test_a_dataset_that_says_nothing_of_its_labels_is_not_judged(tiny, monkeypatch):
    monkeypatch.setitem(NEEDS, "tiny", Needs((HasKeypoints,), labels=frozenset({"landmarks"})))
    monkeypatch.setattr(TinyMethod, "learns_from", frozenset({"pose"}))
    preflight.check([tiny()])


def test_what_the_data_has_not_is_named(tiny, monkeypatch):
    monkeypatch.setattr(TinyData, "labels", frozenset({"colour"}))
    with monkeypatch.context() as patch:
        patch.setitem(NEEDS, "tiny", Needs((HasKeypoints,), labels=frozenset({"landmarks"})))
        said = refused(tiny())
        assert "protocol 'tiny'" in said and "label landmarks, split test" in said
    monkeypatch.setattr(TinyMethod, "learns_from", frozenset({"pose"}))
    said = refused(tiny())
    assert "label 'pose'" in said and "dataset 'tiny'" in said
    preflight.check([tiny("untrained")])  # learns nothing
    monkeypatch.setattr(TinyMethod, "learns_from", frozenset())
    monkeypatch.setattr(TinyMethod, "sees", "clips")
    assert "learns from clips" in refused(tiny())
