"""The studio as one file: its networks as ONNX, and the page opened from a disk.

In Chromium every kind of page is moved by hand, and its numbers are compared with PyTorch's.
"""

import dataclasses
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import cli
from benchmarks.studio.export import export_page
from benchmarks.studio.networks import networks_of
from benchmarks.studio.onnx_models import CLOSE, distance, to_onnx
from benchmarks.studio.runtime import Runtime, load_runtime
from lightning_modules.deformable.module import DeformableGenerator
from lightning_modules.dlp.module import DeepLatentParticles
from lightning_modules.dlp.objects import DLPObjects
from lightning_modules.interface import Codes
from tests.benchmarks.open_browser import StudioWindow, missing
from tests.benchmarks.open_studio import session, small_generator, small_plane
from tests.particle_painter import ParticlePainter

SMALL = {"n_keypoints": 4, "n_proposals": 6, "hidden": (16,), "point_channels": (8, 8)}


def faces():
    return DeepLatentParticles(image_size=32, channels=(4, 8), decoder_channels=(8,), **SMALL)


def objects():
    return DLPObjects(
        image_size=64,
        channels=(4, 8, 8),
        decoder_channels=(8, 8),
        glimpse_channels=(4, 4, 8),
        learned_size=True,
        order="depth",
        background_sees="feature",
        **SMALL,
    )


MADE = {
    "faces": (faces, 32),
    "objects": (objects, 64),
    "codes": (small_generator, 16),
    "plane": (small_plane, 16),
}


def lively(method):
    """Weights of seed 0 that paint something: some of the first ones are next to nothing."""
    torch.manual_seed(0)
    for values in method.parameters():
        if values.ndim > 1:
            torch.nn.init.kaiming_normal_(values)
    return method


def photo(size, seed):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


class Photos:
    """Three test pictures of noise."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return 3

    def take(self, rows):
        return {row: photo(self.size, row) for row in rows}


def made_session(kind):
    make, size = MADE[kind]
    found = session(lively(make()), size=size)
    found.tests = Photos(size)
    return found


@pytest.fixture(scope="module")
def runtime():
    try:
        return load_runtime()
    except ValueError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def page_of(runtime, tmp_path_factory):
    """Gives a page of each kind, made once."""
    made = {}

    def make(kind):
        if kind not in made:
            work = made_session(kind)
            file = tmp_path_factory.mktemp(kind) / "page.html"
            written = export_page(work, file, runtime)
            made[kind] = SimpleNamespace(session=work, file=file, written=written)
        return made[kind]

    return make


@pytest.fixture
def opened(browser, page_of):
    windows = []

    def make(kind, **options):
        made = page_of(kind)
        windows.append(StudioWindow(browser, made.file.as_uri(), **options))
        return windows[-1], made.session

    yield make
    for window in windows:
        window.close()


SPY = """async (state) => {
  const { link } = studio;
  const run = link.model.run;
  let numbers = null;
  link.model.run = async (inputs) => {
    numbers = (await link.decoder.run(inputs)).picture;
    return run(inputs);
  };
  try { await link.model.paint(state); } finally { link.model.run = run; }
  return [[...numbers.dims], Array.from(numbers.data)];
}"""


def raw(window, state):
    """What the page's decoder gives for a state, not rounded."""
    shape, numbers = window.window.evaluate(SPY, state)
    return np.array(numbers).reshape(shape)


STATES = {
    "faces": [
        [],
        [{"edit": "place", "particle": 1, "x": 0.3, "y": -0.4}],
        [
            {"edit": "recolour", "particle": 2, "dimension": 3, "value": 1.5},
            {"edit": "paste", "particle": "background", "source": "background", "picture": "other"},
            {"edit": "shift", "particle": "background", "dimension": 0, "by": -0.5},
            {"edit": "interpolate", "share": 0.4},
        ],
    ],
    "objects": [
        [],
        [
            {"edit": "copy", "particle": 1, "dx": 0.2, "dy": 0.1},
            {"edit": "move", "particle": 4, "dx": -0.4, "dy": 0.3},
            {"edit": "scale", "particle": 0, "factor": 1.7},
            {"edit": "depth", "particle": 2, "value": 2.5},
            {"edit": "presence", "particle": 2, "value": 0.9},
            {"edit": "remove", "particle": 3},
            {"edit": "paste", "particle": 0, "source": 2},
            {"edit": "interpolate", "share": 0.7},
        ],
    ],
    "codes": [
        {},
        {"geometry": 0.6, "appearance": 0.3, "where": {"1": 2.0}, "what": {"0": -1.5}},
    ],
    "plane": [{"where": [0.5, -1.0, 2.0]}, {"where": [3.0, 0.0, -0.5]}],
}


@torch.no_grad()
def painted(desk, state):
    """What PyTorch gives for a state, not rounded."""
    if desk.kind == "particles":
        from benchmarks.edits import parse_script

        return desk.editor.paint(parse_script(state, "the edits"))[1].numpy()
    if desk.kind == "codes":
        from benchmarks.studio.codes import CodeState

        return desk.painter(*desk._mixed(CodeState(**state)))[0].numpy()
    return desk.painter(torch.tensor([state["where"]]), desk.codes.what[0]).numpy()


@pytest.mark.parametrize("kind", sorted(MADE))
def test_a_page_from_a_disk_paints_what_pytorch_does(opened, kind):
    window, work = opened(kind)
    if "other" in work.desk.slots:
        work.desk.open("other", photo(MADE[kind][1], 2))
        window.open(2)
    plain = painted(work.desk, STATES[kind][0])
    for state in STATES[kind]:
        wanted = painted(work.desk, state)
        assert np.abs(raw(window, state) - wanted).max() < CLOSE
        assert wanted.std() > 0.02, "a picture of nothing shows nothing"
    assert np.abs(wanted - plain).max() > 0.02
    window.window.evaluate("(state) => studio.commit(state)", STATES[kind][-1])
    seen = window.pixels()
    assert np.abs(seen - 255 * wanted[0].transpose(1, 2, 0)).max() < 0.6
    assert window.wrong == [] and all(url.startswith(("file:", "data:")) for url in window.asked)
    assert len([url for url in window.asked if url.startswith("file:")]) == 1


@pytest.mark.parametrize("kind", ["faces", "objects", "codes"])
def test_another_picture_is_taken_apart_in_the_page(opened, kind):
    window, work = opened(kind)
    size = MADE[kind][1]
    stream = io.BytesIO()
    Image.fromarray(photo(size, 9)).save(stream, format="PNG")
    window.choose_file("noise.png", stream.getvalue())
    window.wait("document.getElementById('pictures').innerText.includes('noise.png')")
    work.desk.open("main", photo(size, 9))
    state = {} if kind == "codes" else []
    assert np.abs(raw(window, state) - painted(work.desk, state)).max() < CLOSE
    before = window.pixels()
    window.choose_file("cat.png", b"no picture")
    window.window.locator("#notice").wait_for()
    assert "no picture that can be read here" in window.notice
    assert (window.pixels() == before).all() and window.wrong == []


def test_a_page_that_finds_no_codes_says_why(opened, page_of):
    assert "paints its plane anew" in page_of("plane").written.fixed
    window, _ = opened("plane")
    before = window.pixels()
    window.open(1, "Picture")
    assert (window.pixels() != before).any()
    window.choose_file("noise.png", b"")
    assert window.notice.startswith("Other pictures cannot be opened in this page")
    assert "start `whatwhere studio`" in window.notice and window.wrong == []


def test_a_mouse_and_a_video_in_the_page(opened):
    window, _ = opened("objects")
    before = window.pixels()
    window.drag(2, 0.1, 0.1)
    assert (window.pixels() != before).any()
    with window.window.expect_download() as saved:
        window.press("Save video")
    assert saved.value.suggested_filename == "film.webm"
    window.press("Undo")
    assert (window.pixels() == before).all() and window.wrong == []


def test_edits_that_are_none_are_refused_in_the_page(opened):
    window, _ = opened("objects")
    for content, words in (
        (b'[{"edit": "fly", "particle": 0}]', "number 0 is none that can be done"),
        (b'[{"edit": "remove", "particle": 7}]', "There is no particle 7: they are 0 to 3"),
        (b'{"where": 3}', "are no list of edits"),
        (b"{", "edits.json holds no edits"),
    ):
        window.choose_file("edits.json", content, "application/json")
        window.wait(f"document.getElementById('notice').innerText.includes({words!r})")
        assert window.state() == []
    assert window.wrong == []


def test_titles_and_names_are_words_in_the_page(opened, page_of, tmp_path, browser, runtime):
    work = made_session("plane")
    hostile = "</script><img src=x onerror=alert(1)>{{7*7}}"
    work.title = hostile
    work._opened["main"] = dataclasses.replace(work.picture, name=hostile)
    export_page(work, tmp_path / "page.html", runtime, pictures=0)
    window = StudioWindow(browser, (tmp_path / "page.html").as_uri())
    text = window.window.locator("body").inner_text()
    assert text.count(hostile) == 2 and window.wrong == []
    assert len(window.window.locator("#pictures input[type=number]").all()) == 0
    window.close()


@pytest.mark.parametrize("kind", sorted(MADE))
def test_what_is_exported_has_been_compared(page_of, kind):
    written = page_of(kind).written
    assert 0 < written.distance < CLOSE
    assert written.size < 6_000_000
    assert page_of(kind).file.stat().st_size == written.size


def test_a_difference_from_pytorch_is_noticed(monkeypatch, tmp_path):
    work = made_session("plane")
    network = networks_of(work.desk).decoder
    model = to_onnx(network)
    assert distance(network, model, [network.inputs]) < 1e-6
    for values in work.desk.method.network.decoder.parameters():
        values.data.mul_(1.5)
    assert distance(network, model, [network.inputs]) > 1e-3
    monkeypatch.setattr("benchmarks.studio.export.to_onnx", lambda network: model)
    with pytest.raises(ValueError, match="otherwise than PyTorch"):
        export_page(work, tmp_path / "page.html", Runtime("", b""))
    assert not (tmp_path / "page.html").exists()


def test_a_decoder_that_counts_its_particles_paints_just_as_many(monkeypatch):
    from benchmarks.studio import export

    counted = []

    def traced(network):
        counted.append(network.growing)
        if network.growing:
            raise ValueError("it is counted")
        return b"model"

    monkeypatch.setattr(export, "to_onnx", traced)
    networks, model = export._decoder(networks_of(session(ParticlePainter()).desk))
    assert counted[0] and not counted[1] and model == b"model"
    assert networks.facts["fixed_count"] and networks.facts["refused"]["copy"]


def test_codes_that_a_chain_finds_are_not_looked_for_in_the_page():
    method = DeformableGenerator(
        image_size=16,
        appearance_dim=3,
        geometry_dim=2,
        channels=(4, 4),
        kernels=(3, 3),
        infer_steps=2,
    )
    found = networks_of(session(method, size=16).desk)
    assert found.encoder is None and "a chain of many steps" in found.fixed
    assert isinstance(method.split(torch.zeros(1, 5)), Codes)


def test_the_command_exports_a_page(tmp_path, monkeypatch, capsys, runtime):
    method = small_generator()
    settings = {
        **method.hparams,
        "_class_path": f"{type(method).__module__}.AmortisedDeformableGenerator",
    }
    torch.save(
        {"state_dict": method.state_dict(), "hyper_parameters": settings}, tmp_path / "a.ckpt"
    )
    Image.fromarray(photo(20, 1)).save(tmp_path / "mine.png")
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments):
        command = ["whatwhere", "studio", str(tmp_path / "a.ckpt"), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()

    mine = ["--image", tmp_path / "mine.png"]
    code, out, _ = run(*mine, "--export", tmp_path / "page.html")
    size = (tmp_path / "page.html").stat().st_size
    assert code == 0 and f"page.html ({size / 1e6:.2g} MB)" in out and "of PyTorch" in out
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    for arguments, words in (
        (["--export", tmp_path / "page.pdf"], "let its name end in .html"),
        (["--export", tmp_path / "b.html", "--picture", tmp_path / "b.png"], "not both"),
        (
            ["--export", tmp_path / "b.html", "--runtime", tmp_path / "mine.png"],
            "is not onnxruntime",
        ),
    ):
        code, _, err = run(*mine, *arguments)
        assert code == 2 and words in err and not (tmp_path / "b.html").exists()


def test_networks_are_as_their_desks(monkeypatch):
    found = networks_of(made_session("faces").desk)
    assert found.decoder.growing == () and found.facts["fixed_count"] and found.facts["numbered"]
    assert set(found.decoder.inputs) == {"position", "feature", "background", "context"}
    found = networks_of(made_session("objects").desk)
    assert "background" not in found.decoder.growing and "size" in found.decoder.growing
    assert dataclasses.asdict(found)["fixed"] == ""
