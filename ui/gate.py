"""The door: every request, page, file or websocket, passes here before Streamlit sees it, and none without a session.

Open to everybody are the health check and the sign-in pages; the metrics open to their own token. A live websocket is
asked again at every message, for Streamlit runs callbacks before the script could ask, and fragments without it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from google.protobuf.message import DecodeError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from engine.errors import EngineError
from engine.schema import Actor
from ui import sessions
from ui.accounts import digest
from ui.clock import now
from ui.compression import Compressed
from ui.signin.pages import FONT
from ui.signin.views import COOKIE, sign_in_address
from ui.signin.views import ROUTES as ROUTES

HEALTH = "/_stcore/health"
METRICS = "/_stcore/metrics"
METRICS_TOKEN = "HOLDFAST_METRICS_TOKEN"
NEVER_PAGES = frozenset({"_stcore", "app", "auth", "component", "media", "static"})
OPEN = frozenset({*(route.path for route in ROUTES), FONT})
READING = frozenset({"GET", "HEAD"})
SESSION = "x-holdfast-session"  # server.trustedUserHeaders: Streamlit takes a session up again only for the same one
NOT_YOURS = "Nobody is signed in here, or the session has ended. Reload the page to sign in."
ELSEWHERE = "This request came from another site."


class Gate:
    """Lets through who is signed in; sends everybody else to the sign-in page, or away."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            answer = await _refusal(scope)
        except EngineError as problem:
            answer = PlainTextResponse(str(problem), 503)
        if scope["type"] == "websocket":
            await self._converse(answer, scope, receive, send)
        else:
            await (answer or self.app)(_known(scope), receive, _with_headers(scope, send))

    async def _converse(self, answer: Response | None, scope: Scope, receive: Receive, send: Send) -> None:
        if answer:
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the client reads a 403
            return
        token = _token(scope)

        async def asked_again() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not await _actor(token):
                message["bytes"] = only_the_script(message.get("bytes") or b"")
            return message

        await self.app(_known(scope), asked_again, send)


async def _refusal(scope: Scope) -> Response | None:
    """What to answer instead of the app; None when the request may pass."""
    path, method = scope["path"], scope.get("method", "")
    if method not in READING and not came_from_here(scope):
        return PlainTextResponse(ELSEWHERE, 403)
    if path in OPEN or (path == HEALTH and method in READING):
        return None
    if path == METRICS:
        return _metrics_refusal(scope)
    if await _actor(_token(scope)):
        return None
    if method in READING and is_page(path):
        return RedirectResponse(sign_in_address(path, scope["query_string"].decode("latin-1")), 303)
    return PlainTextResponse(NOT_YOURS, 401)


def _metrics_refusal(scope: Scope) -> Response | None:
    token = os.environ.get(METRICS_TOKEN, "")
    if not token:
        return PlainTextResponse(f"Set {METRICS_TOKEN} to read the metrics.", 404)
    given = HTTPConnection(scope).headers.get("authorization", "")
    right = hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    return None if right else PlainTextResponse(NOT_YOURS, 401, {"WWW-Authenticate": "Bearer"})


async def _actor(token: str) -> Actor | None:
    return await run_in_threadpool(sessions.user_of, token, now())


def _token(scope: Scope) -> str:
    return HTTPConnection(scope).cookies.get(COOKIE, "")


def is_page(path: str) -> bool:
    """Whether an address is one that a person opens, and not a file or an endpoint of Streamlit's.

    >>> is_page("/customer"), is_page("/customer/_stcore/health"), is_page("/media/a.csv")
    (True, False, False)
    """
    parts = path.split("/")[1:]
    return parts[0] not in NEVER_PAGES and "_stcore" not in parts


def came_from_here(scope: Scope) -> bool:
    """Whether a browser says that a page of this very server sent the request.

    Sec-Fetch-Site says so by itself, also behind a proxy that calls us by another name; browsers send it over https and
    to localhost, and Origin everywhere. A request with neither is no browser's, or hides where it comes from.
    """
    headers = HTTPConnection(scope).headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site:
        return site in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")


def only_the_script(message: bytes) -> bytes:
    """A browser's message as a bare "run the script on this page": no callback, no fragment, no value of any widget."""
    asked, bare = BackMsg(), BackMsg()
    try:
        asked.ParseFromString(message)
    except DecodeError:
        return b""
    state = asked.rerun_script
    for name in ("query_string", "page_script_hash", "page_name"):
        setattr(bare.rerun_script, name, getattr(state, name))
    bare.rerun_script.context_info.CopyFrom(state.context_info)
    return bare.SerializeToString()


def _known(scope: Scope) -> Scope:
    """The request with the session's digest as a header of ours, whatever the client sent under its name."""
    headers = [(name, value) for name, value in scope["headers"] if name != SESSION.encode()]
    return {**scope, "headers": [*headers, (SESSION.encode(), digest(_token(scope)).encode())]}


def _with_headers(scope: Scope, send: Send) -> Send:
    """Answers with the headers that keep a browser from what the app never needs."""
    private = not scope["path"].startswith("/static/")

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if private:  # nor must the Back button show what was seen before signing out
                headers["Cache-Control"] = "no-store"
        await send(message)

    return sending


def _inline_scripts() -> str:
    """The hashes of the scripts within Streamlit's own page, as a content policy names them."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{value}'" for value in hashes)


POLICY = (
    "default-src 'self'; "
    f"script-src 'self' 'unsafe-eval' {_inline_scripts()}; "  # Plotly builds its WebGL programs with Function()
    "style-src 'self' 'unsafe-inline'; "                      # Streamlit's styles are made in the browser
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
MIDDLEWARE = [Middleware(Gate), Middleware(Compressed)]
