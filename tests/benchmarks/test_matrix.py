"""What goes with what, told by classes alone, and a try of it on a few made pictures."""

import numpy as np
import pytest
import torch

from benchmarks.arguments import check_arguments
from benchmarks.matrix import NEEDS, Needs, Square, draw, squares, trainable
from benchmarks.protocols import field, virtual_keypoints
from benchmarks.protocols.interface import PROTOCOLS, load_protocol
from benchmarks.specs import load_spec, table_ids
from datamodules import registry as datasets
from datamodules.errors import DataError
from datamodules.interface import ArrayDataset
from lightning_modules import interface as can
from lightning_modules import registry as methods
from lightning_modules.interface import Method

SIZE = 64
SMALL = {
    method: arguments
    for table in table_ids()
    if (smoke := load_spec(table).budget("smoke")).data.get("image_size") == SIZE
    for method, arguments in smoke.methods.items()
}
"""Arguments of the smoke budgets of tables of this size."""


@pytest.fixture(scope="module")
def filled():
    return set(squares())


def test_every_protocol_says_what_it_needs(monkeypatch):
    assert NEEDS.keys() == PROTOCOLS.keys()
    monkeypatch.setitem(PROTOCOLS, "new", "benchmarks.protocols.new")
    with pytest.raises(ValueError, match="does not say what new needs"):
        list(squares())


def test_every_row_of_every_table_is_a_filled_square(filled):
    """The tables' rows are squares that were run; only rows that a table shows as n/a are none."""
    missing = set()
    for table in table_ids():
        spec = load_spec(table)
        for row in spec.rows:
            square = Square(row.method, spec.dataset, spec.protocol.id)
            if row.method is not None and square not in filled:
                missing.add(square)
    assert missing == set()


@pytest.mark.parametrize(
    ("square", "why"),
    [
        (("dlp", "celeba", "field"), "points are no field"),
        (("dense_embedding", "celeba", "landmarks"), "it has neither points nor codes"),
        (("vae", "celeba", "views"), "there are no views"),
        (("vae", "multipie", "landmarks"), "there are no landmarks"),
        (("ddr", "celeba", "leakage"), "there are no clips"),
        (("ddr", "mug", "reconstruction"), "it reconstructs no single picture"),
        (("supervised_landmarks", "mug", "leakage"), "there is nothing to learn from"),
        (("deformable_conditional", "celeba", "field"), "there are no classes"),
        (("vae", "ckplus", "landmarks"), "its landmarks begin with no eyes"),
    ],
)
def test_what_does_not_fit_is_left_empty(filled, square, why):
    assert Square(*square) not in filled, why


def test_needs_are_all_asked_for():
    celeba, mug = datasets.load("celeba"), datasets.load("mug")
    assert Needs(labels=frozenset({"landmarks"})).met_by_dataset(celeba)
    assert not Needs(labels=frozenset({"landmarks", "view"})).met_by_dataset(celeba)
    assert Needs(one_label=frozenset({"landmarks", "view"})).met_by_dataset(celeba)
    assert not Needs(clips=True).met_by_dataset(celeba) and Needs(clips=True).met_by_dataset(mug)
    assert not Needs(splits=frozenset({"none"})).met_by_dataset(mug)
    vae, ddr = methods.load("vae"), methods.load("ddr")
    assert Needs((can.HasKeypoints, can.HasCodes)).met_by_method(vae)
    assert not Needs(each_of=(can.HasKeypoints, can.HasCodes)).met_by_method(vae)
    assert trainable(vae, mug) and trainable(ddr, mug) and not trainable(ddr, celeba)


def test_capabilities_that_are_attributes_count_too():
    class Paints(Method):
        def particles(self, image): ...

        def render(self, particles): ...

    assert not Needs((can.HasParticles,)).met_by_method(Paints)
    Paints.painted_by = ("position",)
    assert Needs((can.HasParticles,)).met_by_method(Paints)


def test_it_is_listed_by_method_and_dataset(filled):
    listed, method = set(), ""
    for line in draw().splitlines():
        if line.startswith("  "):
            dataset, _, protocols = line.strip().partition(": ")
            listed |= {Square(method, dataset, name) for name in protocols.split(", ")}
        else:
            method = line
    assert listed == filled
    assert Square("dense_dae", "multipie", "reconstruction") in listed


class Made:
    """A few pictures with every label that protocols ask of pictures."""

    validation_split = "val"
    labels = frozenset({"landmarks", "aspect", "identity", "view", "expression", "session"})

    def __init__(self):
        rng = np.random.default_rng(0)
        n = 30
        eyes = np.array([[-0.4, -0.2], [0.4, -0.2], [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5]])
        centre = rng.uniform(-0.8, 0.8, (n, 3, 2)).astype(np.float32)
        self.set = ArrayDataset(
            rng.integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8),
            {
                "landmarks": (eyes + rng.normal(0, 0.1, (n, 1, 2))).astype(np.float32),
                "identity": np.arange(n) % 6,
                "view": np.array([-30, -15, 0, 15, 30], np.float32)[np.arange(n) % 5],
                "expression": np.arange(n) // 6 % 3,
                "session": np.arange(n) // 6,
                "aspect": rng.uniform(0.7, 1.4, n).astype(np.float32),
                "object_centre": centre,
                "object_box": np.concatenate([centre - 0.2, centre + 0.2], 2),
                "object_visible": np.ones((n, 3), np.float32),
            },
        )

    def dataset(self, split):
        return self.set

    def hand_out(self, unit, draw=0):
        if unit == "clips":
            raise DataError("made pictures are no clips")

    def eval_dataloader(self, split, batch_size=None):
        return [self.set.__getitems__(range(len(self.set)))]

    def to_batch(self, batch, device):
        return batch | {"image": batch["image"].float() / 255}


def picture_squares():
    """Method and protocol of every square of pictures, once, whatever the dataset.

    Left out: clips, whose judges and recurrent networks take a minute each and are tried in their
    own tests; what is made for other sizes than 64 px; what knows nothing before it is trained; and
    probes of looks that are maps of many thousand numbers, which take minutes.
    """
    maps = {"autolink", "keynet", "zhang"}
    seen = {(s.method, s.protocol) for s in squares() if not NEEDS[s.protocol].clips}
    others = {"deformable_conditional", "nearest_picture"}
    return sorted(
        (method, protocol)
        for method, protocol in seen
        if methods.load(method).sees == "pictures"
        and method not in others
        and not (protocol == "leakage" and method in maps)
    )


@pytest.mark.parametrize(("method", "protocol"), picture_squares())
def test_every_square_of_pictures_is_scored(method, protocol, monkeypatch):
    monkeypatch.setattr(field, "EPOCHS", 2)
    monkeypatch.setattr(virtual_keypoints, "EPOCHS", 1)
    arguments = SMALL.get(method, {}) | {"image_size": SIZE}
    if method == "dlp":
        arguments["n_keypoints"] = 8
    cls = methods.load(method)
    check_arguments(method, cls, arguments)
    torch.manual_seed(0)
    scored = load_protocol(protocol).evaluate(
        cls(**cls.resolve_arguments(arguments)), Made(), device=torch.device("cpu"), seed=0
    )
    assert scored.metrics and all(np.isfinite(value) for value in scored.metrics.values())


def test_what_is_asked_is_said_by_the_names_of_methods():
    assert NEEDS["landmarks"].asked() == "keypoints or encode"
    assert NEEDS["virtual_keypoints"].asked() == "embedding"
    assert "encode_clip" in NEEDS["resampling"].asked()
