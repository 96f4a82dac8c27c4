"""The studio as one file that needs no server and no network.

The decoder, and the encoder where it is one pass of a network, run in ONNX Runtime Web; what the
server does with states the page's own modules do.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from benchmarks.chosen_pictures import test_picture
from benchmarks.code_pictures import as_batch
from benchmarks.files import write_atomically
from benchmarks.studio.bundle import bundled
from benchmarks.studio.networks import Network, Networks, networks_of
from benchmarks.studio.onnx_models import CLOSE, distance, to_onnx
from benchmarks.studio.runtime import Runtime
from benchmarks.studio.session import Opened, Session, picture_address

PICTURES: Final = 8
"""Test pictures that a page comes with."""
FIXED_COUNT: Final = "this page paints just as many particles as were found: none can be added"
REFUSED: Final = "Other pictures cannot be opened in this page"
SERVED: Final = (
    "To open other pictures, start `whatwhere studio` with the checkpoint this page was made of"
)


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        size: of the page, bytes.
        distance: of the networks' numbers from PyTorch's on the page's pictures, at most.
        fixed: why the page opens no other pictures; "" where it does.
    """

    size: int
    distance: float
    fixed: str


def export_page(
    session: Session, output: Path, runtime: Runtime, pictures: int = PICTURES
) -> Exported:
    """Write a page, whole or not at all.

    Args:
        session: with its picture open.
        output: the HTML file.
        runtime: what runs networks in a page.
        pictures: test pictures to bring along, from the first on, where there are any.

    Raises:
        ValueError: the decoder cannot be written as ONNX, or ONNX Runtime paints otherwise.
    """
    networks = networks_of(session.desk)
    networks, decoder = _decoder(networks)
    shown = _pictures(session, pictures)
    examples = [{name: one.codes[name] for name in networks.decoder.inputs} for one in shown]
    apart = distance(networks.decoder, decoder, examples)
    if not apart <= CLOSE:
        raise ValueError(
            f"ONNX Runtime paints this method's pictures otherwise than PyTorch, by {apart:.2g} of "
            f"1 where {CLOSE:g} is allowed: it is not exported"
        )
    fixed, encoder = networks.fixed, b""
    if networks.encoder is not None:
        module = networks.encoder.module
        images = [{"image": as_batch(module, one.opened.pixels[None])} for one in shown]
        fixed, encoder, found = _encoder(networks.encoder, images)
        apart = max(apart, found)
    data = {
        "kind": session.desk.kind,
        "slots": list(session.desk.slots),
        "title": session.title,
        "size": session.size,
        "channels": session.channels,
        "tests": len(shown) - 1,
        "fixed": f"{REFUSED}: {fixed}. {SERVED}." if fixed else "",
        "desk": networks.facts,
        "runtime": _compressed(runtime.wasm),
        "decoder": _compressed(decoder),
        "encoder": _compressed(encoder) if encoder else "",
        "pictures": [_packed(one) for one in shown],
    }
    content = _page(data, runtime.script).encode()
    write_atomically(output, content)
    return Exported(len(content), apart, fixed)


def _decoder(networks: Networks) -> tuple[Networks, bytes]:
    """The decoder as ONNX, of any number of particles where it can be had."""
    decoder = networks.decoder
    if decoder.growing:
        try:
            return networks, to_onnx(decoder)
        except ValueError:  # it counts its particles while it is traced
            decoder = dataclasses.replace(decoder, growing=())
            refused = {**networks.facts["refused"], "copy": FIXED_COUNT}
            facts = {**networks.facts, "refused": refused, "fixed_count": True}
            networks = dataclasses.replace(networks, decoder=decoder, facts=facts)
    return networks, to_onnx(decoder)


def _encoder(network: Network, images: list[dict[str, Tensor]]) -> tuple[str, bytes, float]:
    """Why there is no encoder, or the encoder as ONNX and how far it lies from PyTorch's."""
    try:
        model = to_onnx(network)
    except ValueError as error:
        return str(error), b"", 0.0
    apart = distance(network, model, images)
    if not apart <= CLOSE:
        return f"ONNX Runtime finds codes that lie {apart:.2g} from PyTorch's", b"", 0.0
    return "", model, apart


@dataclass(frozen=True)
class _Brought:
    """A picture that the page comes with: its codes, and what its desk hangs on, if on it."""

    opened: Opened
    codes: dict[str, Tensor]
    desk: dict[str, Any] | None


def _pictures(session: Session, count: int) -> list[_Brought]:
    """The open picture, and test pictures from the first on."""
    found = []
    if session.tests is not None:
        rows = list(range(min(count, len(session.tests))))
        for row, pixels in session.tests.take(rows).items():
            found.append(_brought(session, Opened(test_picture(row, None), row, pixels)))
    # Last, so that the desk is left as it was.
    return [_brought(session, session.picture), *found]


def _brought(session: Session, one: Opened) -> _Brought:
    desk = session.desk
    desk.open("main", one.pixels)
    return _Brought(one, networks_of(desk).codes, desk.about() if desk.kind == "manifold" else None)


def _packed(one: _Brought) -> dict[str, Any]:
    return {
        "name": one.opened.name,
        "index": one.opened.index,
        "address": picture_address(one.opened.pixels),
        "desk": one.desk,
        "codes": {
            name: [list(values.shape), _numbers(values)] for name, values in one.codes.items()
        },
    }


def _numbers(values: Tensor) -> str:
    array = np.ascontiguousarray(values.detach().cpu().numpy(), dtype="<f4")
    return base64.b64encode(array.tobytes()).decode()


def _compressed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _page(data: Mapping[str, Any], runtime: str) -> str:
    """The HTML: the studio's page with its styles, its modules and its data within."""
    folder = files("benchmarks.studio").joinpath("page")
    modules = {**_modules(folder, ""), **_modules(folder.joinpath("offline"), "offline/")}
    script = bundled("offline/main.js", {**modules, "offline/runtime.js": runtime})
    style = folder.joinpath("studio.css").read_text(encoding="utf-8")
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' 'wasm-unsafe-eval'; "
        f"style-src '{_hash(style)}'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    page = folder.joinpath("index.html").read_text(encoding="utf-8")
    for old, new in {
        '<meta charset="utf-8">': f'<meta charset="utf-8">\n{head}',
        '<link rel="stylesheet" href="studio.css">': f"<style>{style}</style>",
        '<script type="module" src="main.js"></script>': "",
        "</body>": f'<script type="application/json" id="data">{text}</script>\n'
        f'<script type="module">{script}</script>\n</body>',
    }.items():
        if page.count(old) != 1:
            raise ValueError(f"index.html of the studio does not hold {old} once")
        page = page.replace(old, new)
    return page


def _modules(folder: Traversable, prefix: str) -> dict[str, str]:
    return {
        f"{prefix}{file.name}": file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".js")
    }


def _hash(text: str) -> str:
    """What a content policy calls the text of an inline element by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
