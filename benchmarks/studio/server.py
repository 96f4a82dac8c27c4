"""The studio's server: loopback only, a random token in the address, one window at a time.

No path of the page reaches the disk: files of the page are read when the server is made, pictures
come as bytes and stay in memory.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from aiohttp import WSMsgType, web

from benchmarks.studio.session import Session, packed
from benchmarks.studio.uploads import MOST_BYTES

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
MOST_TEXT: Final = 2**18
"""Bytes of a state."""
BUSY, TAKEN, ENDED = 4001, 4002, 4003
"""Why a window is closed: another is open, another took over, the studio was ended."""
TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
NO_KEY: Final = (
    "This address lacks the studio's key, or has an old one. Open the address that "
    "`whatwhere studio` printed when it was started last.\n"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Studio:
    """A session on the web.

    Args:
        session: what is worked on.
        port: that it is reached by.
        token: first part of every path; drawn at random by default.

    Attributes:
        app: to be run on `HOST` alone.
    """

    def __init__(self, session: Session, port: int, token: str | None = None) -> None:
        self.session = session
        self.port = port
        self.token = secrets.token_urlsafe(16) if token is None else token
        self._assets = _assets()
        self._window: web.WebSocketResponse | None = None
        self._key = ""
        self.app = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        self.app.add_routes(
            [
                web.get("/{token}/live", self._live),
                web.post("/{token}/picture", self._picture),
                web.post("/{token}/test", self._test),
                web.post("/{token}/film", self._film),
                web.get("/{token}/{name:.*}", self._asset),
            ]
        )
        self.app.on_shutdown.append(self._end)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # Names that resolve to this machine, and pages of other sites, are no way in.
        hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        origin = request.headers.get("Origin")
        own = {f"http://{host}" for host in hosts}
        token = request.path.split("/")[1]
        if (
            request.host not in hosts
            or (origin is not None and origin not in own)
            or not hmac.compare_digest(token.encode(), self.token.encode())
        ):
            return web.Response(status=403, text=NO_KEY, headers=self._headers())
        try:
            response = await handler(request)
        except web.HTTPRequestEntityTooLarge:
            words = f"this file is larger than {MOST_BYTES // 2**20} MB: make it smaller"
            response = _refused(413, words)
        except ValueError as error:
            response = _refused(400, str(error))
        if not response.prepared:
            response.headers.update(self._headers())
        return response

    def _headers(self) -> dict[str, str]:
        live = f"ws://{HOST}:{self.port} ws://localhost:{self.port}"
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; "
            f"connect-src 'self' {live}; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        found = self._assets.get(request.match_info["name"] or "index.html")
        if found is None:
            return web.Response(status=404, text="The studio has no such page.\n")
        content, kind = found
        return web.Response(body=content, content_type=kind, charset="utf-8")

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """States come in, frames go out, in order; the page sends one at a time."""
        window = web.WebSocketResponse(heartbeat=20, max_msg_size=MOST_TEXT)
        await window.prepare(request)
        if self._window is not None and "take" not in request.query:
            await window.close(code=BUSY)
            return window
        before, self._window = self._window, window
        self._key = secrets.token_urlsafe(8)
        if before is not None:
            await before.close(code=TAKEN)
        await window.send_json({"window": self._key, "about": self.session.about()})
        try:
            async for message in window:
                if message.type is WSMsgType.TEXT:
                    await self._answer(window, message.data)
        finally:
            if self._window is window:
                self._window = None
        return window

    async def _answer(self, window: web.WebSocketResponse, text: str) -> None:
        number = -1
        try:
            asked = json.loads(text)
            number = int(asked["number"])
            painted = await self.session.paint(asked["state"])
        except (ValueError, KeyError, TypeError) as error:
            words = str(error) if isinstance(error, ValueError) else "this is no request"
            await window.send_json({"number": number, "error": words})
            return
        if not window.closed:
            await window.send_bytes(packed(number, painted))

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        content = await request.read()
        name = request.query.get("name", "picture")[:80]
        slot = request.query.get("slot", "main")
        return web.json_response(await self.session.open_bytes(slot, content, name))

    async def _test(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        index = int(request.query["index"]) if request.query.get("index", "").isdigit() else -1
        slot = request.query.get("slot", "main")
        return web.json_response(await self.session.open_test(slot, index))

    async def _film(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        state = await request.json()
        return web.Response(body=await self.session.film(state), content_type="video/mp4")

    def _check(self, request: web.Request) -> None:
        if self._window is None or request.headers.get("X-Window") != self._key:
            raise ValueError("the studio is open in another window: take it back first")

    async def _end(self, app: web.Application) -> None:
        if self._window is not None:
            await self._window.close(code=ENDED)


@asynccontextmanager
async def serving(session: Session, patience: float = 1.0) -> AsyncIterator[Studio]:
    """Serve a session on a free port of loopback while the block runs.

    Args:
        session: what is worked on.
        patience: seconds that open connections are given at the end.
    """
    opened = bound_socket(0)
    studio = Studio(session, opened.getsockname()[1])
    runner = web.AppRunner(studio.app, shutdown_timeout=patience)
    await runner.setup()
    await web.SockSite(runner, opened).start()
    try:
        yield studio
    finally:
        await runner.cleanup()


def bound_socket(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes a free one.

    Raises:
        OSError: the port is taken; says what to do.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
    except OSError as error:
        opened.close()
        raise OSError(
            error.errno, f"port {port} is taken or not allowed: give another by --port, or none"
        ) from error
    return opened


def _refused(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


def _assets() -> dict[str, tuple[bytes, str]]:
    """Files of the page by name, with their types."""
    found: dict[str, Any] = {}
    for file in files("benchmarks.studio").joinpath("page").iterdir():
        kind = TYPES.get(file.name[file.name.rfind(".") :])
        if kind is not None:
            found[file.name] = (file.read_bytes(), kind)
    return found
