"""``whatwhere edit``: from a checkpoint and a picture to files."""

import json
import sys

import av
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import cli
from datamodules import registry as datasets
from tests.benchmarks.test_draw import CELL, finished
from tests.particle_painter import ParticlePainter

PAINTER = "tests.particle_painter.ParticlePainter"


@pytest.fixture
def edit(monkeypatch, capsys, tmp_path):
    """Run ``whatwhere edit CHECKPOINT ...``: exit code, output, errors."""
    monkeypatch.setitem(datasets.DATASETS, "faces", "tests.benchmarks.test_draw:Faces")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30), (200, 90, 30)).save("mine.png")
    method = ParticlePainter(image_size=16)
    settings = {"image_size": 16, "_class_path": PAINTER}
    torch.save({"state_dict": method.state_dict(), "hyper_parameters": settings}, "painter.ckpt")

    def run(*arguments, checkpoint="painter.ckpt"):
        monkeypatch.setattr(sys, "argv", ["whatwhere", "edit", checkpoint, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, said.err.replace("\n", " ")

    return run


def test_ones_own_picture_becomes_a_strip_films_and_a_script(edit, tmp_path):
    (tmp_path / "first.json").write_text('[{"edit": "move", "particle": 2, "dx": 0.1, "dy": -1}]')
    files = ["out.png", "out.gif", "out.mp4", "out.json"]
    wanted = [word for file in files for word in ("-o", file)]
    code, out, err = edit(
        "--image", "mine.png", "--script", "first.json", "--edit", "remove 0", *wanted
    )
    assert (code, out.split(), err) == (0, files, "")
    with Image.open("out.png") as strip:
        assert strip.width > 4 * 128
    with Image.open("out.gif") as film:
        assert film.n_frames > 20
    with av.open("out.mp4") as film:
        assert film.streams.video[0].frames > 30
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {"edit": "move", "particle": 2, "dx": 0.1, "dy": -1.0},
        {"edit": "remove", "particle": 0},
    ]


def test_without_edits_particles_are_drawn_and_listed(edit, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = edit("--dataset", "faces", "--index", 3)
    assert code == 0 and (tmp_path / "edit.png").exists()
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    (first, *_) = rows
    shown = [cell.strip() for cell in first]
    assert shown[0] == "0" and float(shown[3]) == round(np.exp(-2.0), 2)
    assert shown[4:] == ["0.40 x 0.40", "1.00", "1.00 0.00 0.00"] and len(rows) == 3


def test_a_test_picture_goes_to_another(edit, tmp_path):
    code, _, err = edit("--dataset", "faces", "--other-index", 5, "--edit", "interpolate 0.5")
    assert (code, err) == (0, "")
    assert np.asarray(Image.open(tmp_path / "edit.png")).shape[2] == 3


def test_a_cells_own_test_picture(edit, tmp_path, monkeypatch):
    from lightning_modules import registry as methods

    monkeypatch.setitem(methods.METHODS, "painter", PAINTER.replace(".Particle", ":Particle"))
    cell = CELL.model_copy(update={"method": "painter", "args": {"image_size": 16}})
    folder = finished(cell, ParticlePainter(image_size=16), tmp_path)
    code, _, err = edit("--index", 2, "--edit", "move 0 0.5 0", checkpoint=str(folder))
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--edit", "remove 0"], "does not say what it was trained on: give a picture by --image"),
        (["--image", "mine.png", "--dataset", "faces"], "not both"),
        (["--image", "nothing.png"], "nothing.png"),
        (["--image", "painter.ckpt"], "painter.ckpt: no picture"),
        (["--image", "."], "is a folder; give one picture"),
        (["--dataset", "faces", "--index", 8], "no test picture 8: they are 0 to 7"),
        (["--image", "mine.png", "-o", "out.jpg"], "ends in none of .png, .gif, .mp4, .json"),
        (["--image", "mine.png", "-o", "out.gif"], "nothing to tell without an edit"),
        (["--image", "mine.png", "--edit", "remove 9"], "'remove 9': there is no particle 9"),
        (["--image", "mine.png", "--edit", "remov 1"], "did you mean remove"),
        (["--image", "mine.png", "--script", "gone.json"], "gone.json"),
    ],
)
def test_mistakes_are_said_clearly_and_leave_no_file(edit, tmp_path, arguments, message):
    code, _, err = edit(*arguments)
    assert code == 2 and message in err and "Traceback" not in err
    assert {file.name for file in tmp_path.iterdir()} == {"mine.png", "painter.ckpt"}
