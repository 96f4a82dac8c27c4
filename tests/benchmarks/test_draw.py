"""``whatwhere pictures``: from a checkpoint of a cell, or of `whatwhere fit`, to files."""

import inspect
import sys
from typing import ClassVar

import av
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import cli
from benchmarks.basis_pictures import GAMMA, POINTS
from benchmarks.checkpoints import OWNER_KEY, AtomicCheckpointIO
from benchmarks.schema import CellSpec
from benchmarks.trained import load_trained
from datamodules import registry as datasets
from datamodules.arrays import MemoryRows
from datamodules.clip_module import ClipModule
from datamodules.clips import ClipDataset, ClipTable
from datamodules.interface import ArrayDataset
from lightning_modules.deformable.module import AmortisedDeformableGenerator
from lightning_modules.deformable.video import DeformableVideo
from tests.benchmarks.tiny import TinyData

SIZE = {"image_size": 16, "channels": [8, 4], "kernels": [3, 5], "appearance_dim": 7}
CLASS = "lightning_modules.deformable.module.AmortisedDeformableGenerator"
FACES = {"reconstructions", "canonical", "swaps"}
BASIS = {"basis", "basis-applied"}
CELL = CellSpec(
    table="multipie",
    row="deformable-amortised",
    method="deformable_amortised",
    args=SIZE,
    fit=True,
    dataset="faces",
    data={"image_size": 16},
    trainer={"max_epochs": 3},
    seed=0,
    budget="smoke",
    source="standin",
    protocol="reconstruction",
    protocol_version=1,
    data_fingerprint="0123456789abcdef",
)


class Faces(TinyData):
    """Grey noise of four persons, each in two views."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def dataset(self, split, *, with_margin=False):
        assert split == "test"
        images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
        labels = {"identity": np.arange(8) // 2, "view": np.tile([0.0, 30.0], 4)}
        return ArrayDataset(images, labels)


VIDEO = {
    "image_size": 16,
    "frames": 5,
    "appearance_channels": [8, 4],
    "appearance_kernels": [3, 5],
    "appearance_strides": [2, 2],
    "geometry_channels": [6, 4],
    "geometry_kernels": [4, 5],
    "geometry_strides": [4, 1],
    "infer_steps": 2,
}


class Takes(ClipModule):
    """Grey noise: two persons, each with two expressions."""

    name: ClassVar[str] = "takes"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    label_names: ClassVar[dict] = {"expression": ("neutral", "anger", "surprise")}
    prepare_data = setup = lambda self, stage=None: None
    fingerprint = TinyData.fingerprint
    dataset = Faces.dataset

    def clips(self, split):
        frames = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
        labels = {"identity": np.array([3, 3, 8, 8]), "expression": np.array([0, 2, 1, 2])}
        rows = np.arange(4)
        table = ClipTable(6 * rows, np.full(4, 6), list("abcd"), labels, {split: rows})
        return ClipDataset(MemoryRows(frames), table, rows, self.window, {})


@pytest.fixture
def pictures(monkeypatch, capsys, tmp_path):
    """Run ``whatwhere pictures ...``: exit code, names of the files, errors."""
    monkeypatch.setitem(datasets.DATASETS, "faces", "tests.benchmarks.test_draw:Faces")
    monkeypatch.setitem(datasets.DATASETS, "takes", "tests.benchmarks.test_draw:Takes")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["whatwhere", "pictures", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capsys.readouterr()
        names = {line.rpartition("/")[2].removesuffix(".png") for line in said.out.splitlines()}
        return stopped.value.code or 0, names, said.err.replace("\n", " ")

    return run


def finished(cell, method, tmp_path):
    """The folder of a finished cell."""
    folder = tmp_path / "runs" / cell.cell_id
    folder.mkdir(parents=True)
    kept = {
        "state_dict": method.state_dict(),
        "epoch": 2,
        OWNER_KEY: {"cell_id": cell.cell_id, "config": cell.config()},
    }
    method.on_save_checkpoint(kept)
    AtomicCheckpointIO().save_checkpoint(kept, folder / "resume.ckpt")
    return folder


@pytest.fixture
def trained(tmp_path):
    """The folder of a finished cell, and its method."""
    torch.manual_seed(0)
    method = AmortisedDeformableGenerator(**SIZE)
    return finished(CELL, method, tmp_path), method.eval()


def test_a_cells_folder_gives_back_its_method(trained):
    folder, method = trained
    found = load_trained(folder)
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(found.method.reconstruct(image), method.reconstruct(image))
    assert (found.cell, found.epochs) == (CELL, 3) and not found.method.training
    assert load_trained(folder / "resume.ckpt").file == found.file


def test_its_own_test_pictures_are_drawn(trained, pictures, tmp_path):
    code, names, _ = pictures(trained[0], "--points", "3", "--gamma", "4")
    assert code == 0 and names == FACES | BASIS | {"transfer-view"}
    assert {file.stem for file in (tmp_path / "pictures").iterdir()} == names
    with Image.open(tmp_path / "pictures" / "basis.png") as basis:
        assert basis.width == 1000  # three of 96 pixels and the names take less than a title


def test_a_method_of_clips_gets_sheets_and_films_of_them(pictures, tmp_path):
    torch.manual_seed(0)
    changes = {"method": "deformable_video", "args": VIDEO, "dataset": "takes"}
    cell = CELL.model_copy(update=changes | {"data": {"image_size": 16, "frames": 5}})
    code, names, _ = pictures(finished(cell, DeformableVideo(**VIDEO), tmp_path))
    films = {"reconstructions", "swaps", "shapes", "canonical", "grids", "samples"}
    wanted = {f"clip-{film}{end}" for film in films for end in (".png", ".mp4", ".gif")}
    wanted |= {f"clip-{sheet}.png" for sheet in ("manifold", "trace", "swap-matrix", "given")}
    assert code == 0 and names == {name.removesuffix(".png") for name in wanted}
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == wanted
    with Image.open(tmp_path / "pictures" / "clip-swaps.gif") as film:
        assert film.n_frames == 5
    with av.open(str(tmp_path / "pictures" / "clip-grids.mp4")) as film:
        assert film.streams.video[0].frames == 5


def test_ones_own_pictures_need_no_data(trained, pictures, tmp_path):
    for name in ("a", "b"):
        Image.new("RGB", (40, 30), (200, 90, 30)).save(tmp_path / f"{name}.png")
    own = ("--images", tmp_path / "a.png", "--images", tmp_path / "b.png", "--points", "2")
    code, names, _ = pictures(trained[0], *own, "--driver", tmp_path / "a.png", "-o", "out")
    assert code == 0 and names == FACES | BASIS | {"transfer-sequence"}
    assert (tmp_path / "out" / "transfer-sequence.png").exists()


def test_a_checkpoint_of_fit_knows_its_method_but_not_its_data(trained, pictures, tmp_path):
    path = tmp_path / "last.ckpt"
    settings = SIZE | {"_class_path": CLASS, "_instantiator": "somebody's"}
    torch.save({"state_dict": trained[1].state_dict(), "hyper_parameters": settings}, path)
    assert load_trained(path).cell is None
    code, names, err = pictures(path, "--points", "2")
    assert code == 0 and names == BASIS and "--images" in err


def test_defaults_are_the_papers():
    given = inspect.signature(cli.pictures).parameters
    assert given["gamma"].default == GAMMA == 10 and given["points"].default == POINTS == 10


def broken(folder, what):
    path = folder / "x.ckpt"
    if what == "text":
        path.write_text("no")
    elif what == "damaged":
        path = folder / "resume.ckpt"
        path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    else:
        torch.save(what, path)
    return path


WEIGHTS = {"w": torch.zeros(1)}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("text", "no checkpoint, or a damaged one"),
        ("damaged", "SHA-256"),
        (WEIGHTS, "holds no 'state_dict'"),
        ({"state_dict": WEIGHTS}, "does not say which method"),
        (
            {"state_dict": WEIGHTS, "hyper_parameters": {"_class_path": "torch.nn.Linear"}},
            "is of torch.nn.Linear, which is no method",
        ),
        (
            {"state_dict": WEIGHTS, "hyper_parameters": SIZE | {"_class_path": CLASS}},
            "does not fit AmortisedDeformableGenerator as it is now",
        ),
        (
            {"state_dict": WEIGHTS, "hyper_parameters": {"_class_path": CLASS, "size": 3}},
            "takes no argument 'size'",
        ),
    ],
)
def test_what_is_no_checkpoint_is_said_clearly(trained, pictures, what, message):
    code, _, err = pictures(broken(trained[0], what))
    assert code == 2 and message in err


def test_what_cannot_be_drawn_is_said_clearly(trained, pictures, tmp_path, monkeypatch):
    code, _, err = pictures(tmp_path)
    assert code == 2 and "a cell that is not trained keeps none" in err
    code, _, err = pictures(trained[0], "--driver", tmp_path)
    assert code == 2 and "give them by --images" in err
    monkeypatch.setattr(Faces, "fingerprint", lambda self: "f" * 16)
    code, _, err = pictures(trained[0])
    assert code == 2 and "has fingerprint ffffffffffffffff" in err
    assert pictures(tmp_path / "nowhere.ckpt")[0] == 2
