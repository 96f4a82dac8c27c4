"""The studio's server and desks: what a page may ask, what it gets, and what it never gets."""

import asyncio
import io
import json
import socket
import struct
import sys

import aiohttp
import av
import numpy as np
import pytest
import torch
from aiohttp import web
from PIL import Image

from benchmarks import cli
from benchmarks.studio import uploads
from benchmarks.studio.choose import METHODS, desk_of
from benchmarks.studio.server import BUSY, HOST, TAKEN, bound_socket, serving
from benchmarks.studio.uploads import read_picture
from lightning_modules import registry as methods
from tests.benchmarks.open_studio import session, small_generator, small_plane
from tests.particle_painter import ParticlePainter


def encoded(size=(40, 30), colour=(200, 90, 30), form="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, format=form)
    return stream.getvalue()


def unpacked(frame):
    (length,) = struct.unpack("<I", frame[:4])
    head = json.loads(frame[4 : 4 + length])
    shape = head["count"], head["height"], head["width"], 3
    return head, np.frombuffer(frame[4 + length :], np.uint8).reshape(shape)


async def painted(live, state, number=1):
    await live.send_json({"number": number, "state": state})
    answer = await live.receive(timeout=20)
    if answer.type is aiohttp.WSMsgType.TEXT:
        return answer.json(), None
    return unpacked(answer.data)


def talk(made, conversation):
    """Run ``conversation(studio, client)`` with a session that is served."""

    async def run():
        async with serving(made, patience=0.5) as studio, aiohttp.ClientSession() as client:
            await conversation(studio, client)

    asyncio.run(run())


def test_a_state_is_painted_with_its_particles():
    async def conversation(studio, client):
        async with client.ws_connect(f"{studio.address}live") as live:
            about = (await live.receive_json())["about"]
            assert about["kind"] == "particles" and about["desk"]["refused"] == {
                "remove": "",
                "copy": "",
            }
            head, before = await painted(live, [])
            edit = {"edit": "place", "particle": 2, "x": 0.5, "y": 0.25}
            moved, after = await painted(live, [edit], number=7)
            assert (head["number"], moved["number"]) == (1, 7)
            assert moved["facts"]["position"][2] == [0.5, 0.25]
            assert moved["facts"]["certainty"] == [0.0, 1.0, 0.5]
            assert (before != after).any() and before.shape == (1, 32, 32, 3)
            _, again = await painted(live, [])
            assert (again == before).all()

    talk(session(), conversation)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([{"edit": "remove", "particle": 9}], "there is no particle 9"),
        ([{"edit": "fly", "particle": 0}], "the edits"),
        ({"where": 3}, "the edits"),
        ([{"edit": "move", "particle": 0, "dx": 0, "dy": 0}] * 401, "401 edits are more"),
    ],
)
def test_what_cannot_be_painted_is_said_and_the_next_state_is(state, words):
    async def conversation(studio, client):
        async with client.ws_connect(f"{studio.address}live") as live:
            await live.receive_json()
            answer, _ = await painted(live, state, number=3)
            assert answer["number"] == 3 and words in answer["error"]
            await live.send_str("no JSON")
            assert "error" in await live.receive_json()
            head, _ = await painted(live, [])
            assert head["number"] == 1

    talk(session(), conversation)


def test_only_the_right_address_from_its_own_page_is_answered():
    async def conversation(studio, client):
        base = f"http://{HOST}:{studio.port}"
        for path in ("/", "/favicon.ico", "/wrong/", f"/{studio.token[:-1]}/"):
            async with client.get(base + path) as answer:
                assert answer.status == 403 and "lacks the studio's key" in await answer.text()
        foreign = {"Host": "evil.example"}, {"Origin": "http://evil.example"}
        for headers in foreign:
            async with client.get(studio.address, headers=headers) as answer:
                assert answer.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(f"{studio.address}live", origin="http://evil.example")
        async with client.get(studio.address) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.status == 200 and "default-src 'none'" in policy
            assert "unsafe" not in policy and answer.headers["Cache-Control"] == "no-store"

    talk(session(), conversation)


def test_no_path_reaches_the_disk():
    async def conversation(studio, client):
        for path in ("../server.py", "%2e%2e/server.py", "..%2fserver.py", "/etc/passwd", "x.js"):
            async with client.get(f"{studio.address}{path}") as answer:
                assert answer.status in (403, 404)
                assert "import" not in await answer.text()
        async with client.get(f"{studio.address}app.js") as answer:
            assert answer.content_type == "text/javascript"

    talk(session(), conversation)


def test_the_socket_is_on_loopback_alone():
    with bound_socket(0) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"
        opened.listen()
        with pytest.raises(OSError, match="give another by --port"):
            bound_socket(opened.getsockname()[1])
    assert opened.family is socket.AF_INET


def test_a_second_window_waits_or_takes_over():
    async def conversation(studio, client):
        async with client.ws_connect(f"{studio.address}live") as first:
            key = (await first.receive_json())["window"]
            async with client.ws_connect(f"{studio.address}live") as second:
                assert (await second.receive()).data == BUSY
            async with client.ws_connect(f"{studio.address}live?take=1") as third:
                assert (await first.receive()).data == TAKEN
                await third.receive_json()
                head, _ = await painted(third, [])
                assert head["number"] == 1
                url = f"{studio.address}test?index=1"
                async with client.post(url, headers={"X-Window": key}) as late:
                    assert late.status == 400
                    assert "open in another window" in (await late.json())["error"]
        async with client.ws_connect(f"{studio.address}live") as fourth:
            assert "about" in await fourth.receive_json()

    talk(session(), conversation)


def test_pictures_are_opened_from_bytes_and_by_number():
    async def conversation(studio, client):
        async with client.ws_connect(f"{studio.address}live") as live:
            headers = {"X-Window": (await live.receive_json())["window"]}
            _, before = await painted(live, [])

            async def post(path, body=b""):
                async with client.post(
                    f"{studio.address}{path}", data=body, headers=headers
                ) as answer:
                    return answer.status, await answer.json()

            status, about = await post("picture?name=mine.png", encoded())
            assert (status, about["pictures"]["main"]["name"]) == (200, "mine.png")
            _, opened = await painted(live, [])
            assert (opened != before).any()
            status, about = await post("test?slot=other&index=5")
            assert about["pictures"]["other"]["name"] == "test picture 5"
            head, _ = await painted(live, [{"edit": "interpolate", "share": 1.0}])
            assert head["facts"]["position"][0][0] == pytest.approx(
                -0.5 + 0.1 * 150 / 255, abs=1e-3
            )
            refused = {
                "picture": (encoded()[:60], "broken"),
                "picture?slot=nowhere": (encoded(), "no place 'nowhere'"),
                "test?index=-1": (b"", "no test picture -1"),
                "picture?name=../../x": (b"<svg/>", "no picture that can be read"),
            }
            for path, (body, words) in refused.items():
                status, answer = await post(path, body)
                assert status == 400 and words in answer["error"]
            status, answer = await post("picture", bytes(uploads.MOST_BYTES + 1))
            assert status == 413 and "larger than 20 MB" in answer["error"]

    talk(session(), conversation)


def test_a_film_goes_to_the_state():
    async def conversation(studio, client):
        async with client.ws_connect(f"{studio.address}live") as live:
            headers = {"X-Window": (await live.receive_json())["window"]}
            state = json.dumps([{"edit": "place", "particle": 0, "x": 0.0, "y": 0.0}])
            url = f"{studio.address}film"
            async with client.post(url, data=state, headers=headers) as answer:
                film = await answer.read()
                assert answer.content_type == "video/mp4"
            with av.open(io.BytesIO(film)) as read:
                frames = [one.to_ndarray(format="rgb24") for one in read.decode(video=0)]
            assert len(frames) > 12 and frames[0].shape == (256, 256, 3)
            assert abs(frames[0].astype(int) - frames[-1]).max() > 100
            async with client.post(url, data="[]", headers=headers) as answer:
                assert "nothing has been changed" in (await answer.json())["error"]

    talk(session(), conversation)


def test_large_pictures_are_refused_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 1000)
    with pytest.raises(ValueError, match="has 40 x 30 pixels"):
        read_picture(encoded(), 16, 3)
    assert read_picture(encoded((20, 30)), 16, 1).shape == (16, 16, 1)


def test_a_photograph_is_turned_as_its_camera_says():
    photo = Image.new("RGB", (8, 8), "black")
    photo.paste("white", (0, 0, 8, 4))  # above in the file, to the right as it was taken
    exif = photo.getexif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    photo.save(stream, format="PNG", exif=exif)
    seen = read_picture(stream.getvalue(), 8, 1)[..., 0]
    assert (seen[:, :4] == 0).all() and (seen[:, 4:] == 255).all()


def test_what_a_method_cannot_do_is_known_before_it_is_tried():
    desk = session(ParticlePainter(presence=False, fixed=True)).desk
    refused = desk.about()["refused"]
    assert "paints 3 particles" in refused["remove"] and "paints 3 particles" in refused["copy"]
    assert "presence" not in desk.about()["painted_by"]


@pytest.fixture
def generator():
    return small_generator()


def test_two_faces_swap_their_codes(generator):
    desk = session(generator, size=16).desk
    desk.open("other", np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8))
    own, other = desk._codes["main"], desk._codes["other"]
    facts = desk.paint({"geometry": 1.0, "what": {2: 0.5}}).facts
    assert facts["where"] == pytest.approx(other.where[0].tolist(), abs=1e-3)
    looks = own.what[0].tolist()
    assert facts["what"] == pytest.approx([*looks[:2], 0.5, *looks[3:]], abs=1e-3)
    pictures, facts = desk.paint({})
    made = generator.decode(own)
    assert np.abs(pictures[0] / 255 - made[0].permute(1, 2, 0).numpy()).max() < 0.003
    assert pictures.shape == (2, 16, 16, 3) and np.shape(facts["looked"]) == (2, 32, 32)
    frames = list(desk.film({"geometry": 1.0}))
    swapped = desk.paint({"geometry": 1.0}).pictures[0]
    assert (frames[0] == pictures[0]).all() and (frames[-1] == swapped).all()
    for state, words in (
        ({"where": {9: 1.0}}, "where has no number 9"),
        ({"geometry": 2}, "no state of two codes"),
        ([], "no state of two codes"),
    ):
        with pytest.raises(ValueError, match=words):
            desk.paint(state)


def test_a_straight_field_looks_where_it_is(generator):
    for values in generator.generators.geometry.parameters():
        values.data.zero_()
    facts = session(generator, size=16).desk.paint({}).facts
    centres = (2 * np.arange(32) + 1) / 32 - 1
    inner = slice(1, -1)  # beyond the outer pixels' centres there is nothing to interpolate
    assert facts["displacement"] == 0
    assert np.allclose(np.array(facts["looked"])[0][:, inner], centres[inner], atol=2e-3)


@pytest.fixture
def plane():
    return small_plane()


def test_a_place_on_the_plane_keeps_who_it_is(plane):
    desk = session(plane, size=16).desk
    about = desk.about()
    assert len(about["own"]) == 3 and len(about["drawn"]) == 400
    assert about["plane"].startswith("data:image/webp;base64,")
    state = {"where": [0.5, -1.0, 2.0]}
    pictures, facts = desk.paint(state)
    what = desk.codes.what
    made = plane.decode_clip(type(desk.codes)(torch.tensor([[[0.5, -1.0, 2.0]]]), what))
    assert facts["where"] == [0.5, -1.0, 2.0]
    assert np.abs(pictures[0] / 255 - made[0, 0].permute(1, 2, 0).numpy()).max() < 0.003
    frames = list(desk.film(state))
    assert (frames[0] == desk.paint({"where": desk.codes.where[0, 0].tolist()}).pictures[0]).all()
    assert (frames[-1] == pictures[0]).all()
    with pytest.raises(ValueError, match="where has 3 numbers, not 2"):
        desk.paint({"where": [0, 0]})


def small(method):
    cls = methods.load(method)
    try:
        return cls(image_size=32)
    except ValueError:
        return cls()


@pytest.mark.parametrize("method", sorted(name for names in METHODS.values() for name in names))
def test_every_method_that_errors_name_has_a_desk(method):
    assert desk_of(small(method).eval().requires_grad_(False)).kind


@pytest.fixture
def painter(tmp_path, monkeypatch):
    """A checkpoint and a picture, in the present folder."""
    monkeypatch.chdir(tmp_path)
    settings = {"image_size": 32, "_class_path": "tests.particle_painter.ParticlePainter"}
    state = ParticlePainter(image_size=32).state_dict()
    torch.save({"state_dict": state, "hyper_parameters": settings}, "painter.ckpt")
    (tmp_path / "mine.png").write_bytes(encoded())


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["whatwhere", "studio", *arguments])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    return stopped.value.code or 0, said.out, said.err.replace("\n", " ")


def test_the_command_serves_a_picture_on_loopback(painter, monkeypatch, capsys):
    opened = []

    def run_app(app, *, sock, **_):
        opened.append(sock.getsockname())
        sock.close()

    monkeypatch.setattr(web, "run_app", run_app)
    code, out, _ = run(monkeypatch, capsys, "painter.ckpt", "--image", "mine.png")
    ((host, port),) = opened
    assert code == 0 and host == "127.0.0.1"
    token = out.split(f"http://127.0.0.1:{port}/")[1].split("/")[0]
    assert len(token) >= 22 and "Ctrl-C ends it" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["painter.ckpt"], "give a picture by --image FILE"),
        (["painter.ckpt", "--image", "mine.png", "--dataset", "mnist"], "not both"),
        (["painter.ckpt", "--image", "painter.ckpt"], "painter.ckpt: no picture"),
        (["mine.png", "--image", "mine.png"], "mine.png: no checkpoint, or a damaged one"),
    ],
)
def test_mistakes_are_said_before_anything_is_served(
    painter, monkeypatch, capsys, arguments, words
):
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 2 and words in err and "Traceback" not in err


def test_a_checkpoint_of_another_method_is_told_which_have_a_studio(monkeypatch, tmp_path, capsys):
    method = methods.load("pca")()
    settings = {**method.hparams, "_class_path": f"{type(method).__module__}.PixelPCA"}
    checkpoint = {"state_dict": method.state_dict(), "hyper_parameters": settings}
    torch.save(checkpoint, tmp_path / "pca.ckpt")
    code, _, said = run(monkeypatch, capsys, str(tmp_path / "pca.ckpt"))
    assert code == 2 and "PixelPCA has no studio" in said
    assert "dlp, dlp_objects (particles)" in said and "ddr (a plane of motion)" in said
