"""``whatwhere studio``: a checkpoint and a picture become a page on this machine."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from aiohttp import web
from rich.console import Console

from benchmarks.chosen_pictures import Pictures, Shelf, own_picture
from benchmarks.devices import check_device
from benchmarks.pictures import trained_title
from benchmarks.studio.choose import desk_of
from benchmarks.studio.screenshot import screenshot
from benchmarks.studio.server import Studio, bound_socket
from benchmarks.studio.session import Session
from benchmarks.trained import load_trained


def studio(
    checkpoint: Path,
    *,
    wanted: Pictures,
    device: str = "cpu",
    port: int = 0,
    browser: bool = False,
    picture: Path | None = None,
) -> int:
    """Serve the page until it is interrupted, or only take a picture of it.

    Args:
        checkpoint: see `load_trained`.
        wanted: the picture that is opened first.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        port: of loopback; 0 for a free one.
        browser: open the page, too.
        picture: a PNG file to write instead; None to serve.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: the method has no studio, or there is no such picture.
        OSError: the port is taken.
    """
    session = make_session(checkpoint, wanted, device)
    out = Console()
    if picture is not None:
        screenshot(session, picture)
        out.print(str(picture), markup=False, highlight=False, soft_wrap=True)
        return 0
    opened = bound_socket(port)
    made = Studio(session, opened.getsockname()[1])
    out.print(f"The studio is open on this machine alone: {made.address}", soft_wrap=True)
    out.print("Ctrl-C ends it.", style="dim")
    if browser:
        webbrowser.open(made.address)
    web.run_app(made.app, sock=opened, print=None, access_log=None, shutdown_timeout=1.0)
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
