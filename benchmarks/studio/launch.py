"""``whatwhere studio``: a checkpoint and a picture become a page on this machine."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from rich.console import Console

from benchmarks.chosen_pictures import Pictures, Shelf, own_picture
from benchmarks.devices import check_device
from benchmarks.pictures import trained_title
from benchmarks.studio.choose import desk_of
from benchmarks.studio.export import PICTURES, export_page
from benchmarks.studio.runtime import load_runtime
from benchmarks.studio.screenshot import screenshot
from benchmarks.studio.server import Studio, bound_socket
from benchmarks.studio.session import Session
from benchmarks.trained import load_trained


@dataclass(frozen=True)
class Shown:
    """How the page is shown.

    Args:
        port: of loopback; 0 for a free one.
        browser: open the page, too.
        picture: a PNG file to write instead of serving; None for none.
        export: an HTML file to write instead, the page with its model; None for none.
        pictures: test pictures that file comes with.
        runtime: the package of ONNX Runtime Web for it; None for the cached one, or npm's.
    """

    port: int = 0
    browser: bool = False
    picture: Path | None = None
    export: Path | None = None
    pictures: int = PICTURES
    runtime: Path | None = None


def studio(checkpoint: Path, *, wanted: Pictures, device: str, shown: Shown) -> int:
    """Serve the page until it is interrupted, or only take a picture of it, or write it as a file.

    Args:
        checkpoint: see `load_trained`.
        wanted: the picture that is opened first.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        shown: how.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: the method has no studio or there is no such picture; or the page cannot be
            written as a file.
        OSError: the port is taken.
    """
    if shown.picture is not None and shown.export is not None:
        raise ValueError("give --picture or --export, not both")
    if shown.export is not None and shown.export.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{shown.export}: is to be a page; let its name end in .html")
    session = make_session(checkpoint, wanted, device)
    if shown.export is not None:
        return _export(session, shown.export, shown)
    out = Console()
    if shown.picture is not None:
        screenshot(session, shown.picture)
        out.print(str(shown.picture), markup=False, highlight=False, soft_wrap=True)
        return 0
    opened = bound_socket(shown.port)
    made = Studio(session, opened.getsockname()[1])
    out.print(f"The studio is open on this machine alone: {made.address}", soft_wrap=True)
    out.print("Ctrl-C ends it.", style="dim")
    if shown.browser:
        webbrowser.open(made.address)
    web.run_app(made.app, sock=opened, print=None, access_log=None, shutdown_timeout=1.0)
    return 0


def _export(session: Session, output: Path, shown: Shown) -> int:
    written = export_page(session, output, load_runtime(shown.runtime), shown.pictures)
    out = Console()
    out.print(
        f"{output} ({written.size / 1e6:.2g} MB)", markup=False, highlight=False, soft_wrap=True
    )
    out.print(
        f"ONNX Runtime is within {written.distance:.1g} of PyTorch on its pictures.", style="dim"
    )
    if written.fixed:
        out.print(f"It opens no other pictures: {written.fixed}.", style="dim", markup=False)
    if shown.browser:
        webbrowser.open(output.resolve().as_uri())
    return 0


def make_session(checkpoint: Path, wanted: Pictures, device: str = "cpu") -> Session:
    """Load a method, and open a picture at its desk.

    Raises:
        ValueError: the method has no studio, or there is no such picture.
    """
    check_device(device)
    if wanted.image is not None and wanted.dataset is not None:
        raise ValueError("give --image, or --dataset with --index: not both")
    trained = load_trained(checkpoint)
    settings = trained.method.hparams
    desk = desk_of(trained.method.to(device))
    if "image_size" not in settings:
        raise ValueError(
            f"{type(trained.method).__name__} does not say its image_size, so pictures cannot be "
            "cut for it"
        )
    tests = Shelf(trained, wanted) if wanted.image is None else None
    if wanted.image is not None:
        image = own_picture(trained, wanted.image)
    else:
        assert tests is not None
        image = tests.take([wanted.index])[wanted.index]
    return Session(
        desk,
        trained_title(trained),
        size=settings["image_size"],
        channels=settings.get("image_channels", 3),
        image=image,
        name=wanted.words,
        tests=tests,
    )
