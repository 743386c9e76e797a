"""What the addresses under /auth/ answer. They need no session, no script and no file of Streamlit's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.errors import EngineError
from ui import accounts, sessions
from ui.clock import now
from ui.signin.pages import POLICY, page

COOKIE = "holdfast_session"
SIGN_IN, SIGN_OUT, SET_UP = "/auth/sign-in", "/auth/sign-out", "/auth/setup"
LONGEST_FORM_BYTES = 16_000
LONGEST_ADDRESS = 4_000
AT_ONCE = 2  # sign-ins checked at the same time: each keeps a core busy for a quarter of a second
NOTES = {"out": "You are signed out.", "ended": "Your session has ended. Sign in again to go on where you were.",
         "password": "Your password is changed. Sign in with the new one.",
         "restored": "The backup is restored. Sign in with a name and password that it holds."}

T = TypeVar("T")


async def sign_in(request: Request) -> Response:
    """The sign-in page, and what its form is answered with."""
    if request.method == "POST":
        return await _sign_in(request, await _form(request))
    there = same_site(request.query_params.get("next", ""))
    actor = await _in_thread(sessions.user_of, _token(request), now())
    if actor:
        return _redirect(there)
    if not await _in_thread(accounts.are_there_any):
        return _html("nobody", "Set up Holdfast")
    return _sign_in_page(there, note=NOTES.get(request.query_params.get("note", ""), ""))


async def _sign_in(request: Request, form: Mapping[str, str]) -> Response:
    there, name = same_site(form.get("next", "")), form.get("name", "")
    try:
        token = await _at_once(sessions.sign_in, name, form.get("password", ""), _address(request), now())
    except EngineError as problem:
        return _sign_in_page(there, 401, name=name, problem=str(problem))
    await _in_thread(sessions.sign_out, _token(request), now())
    return _with_cookie(request, _redirect(there), token)


async def sign_out(request: Request) -> Response:
    """Asks first, for an address alone must change nothing; the form's answer ends the session."""
    token = _token(request)
    actor = await _in_thread(sessions.user_of, token, now())
    if request.method != "POST" and actor:
        return _html("sign_out", "Sign out")
    await _in_thread(sessions.sign_out, token, now())
    response = _redirect(f"{SIGN_IN}?note=out")
    response.delete_cookie(COOKIE, path="/", secure=_is_secure(request), httponly=True, samesite="lax")
    return response


async def set_up(request: Request) -> Response:
    """The page behind the set-up link: makes the first admin, and signs them in."""
    if request.method == "POST":
        return await _set_up(request, await _form(request))
    token = request.query_params.get("token", "")
    if not await _in_thread(accounts.is_open, token, now()):
        return _html("void", "Set up Holdfast", 410, problem=accounts.NO_LINK)
    return _html("set_up", "Set up Holdfast", token=token, name="")


async def _set_up(request: Request, form: Mapping[str, str]) -> Response:
    token, name, password = form.get("token", ""), form.get("name", "").strip().lower(), form.get("password", "")
    try:
        if password != form.get("again", ""):
            raise EngineError("The two passwords are not the same. Type them again.")
        await _at_once(accounts.set_up, token, name, password, now())
        session = await _at_once(sessions.sign_in, name, password, _address(request), now())
    except EngineError as problem:
        return _html("set_up", "Set up Holdfast", 400, token=token, name=name, problem=str(problem))
    return _with_cookie(request, _redirect("/"), session)


def sign_in_address(path: str, query: str, note: str = "") -> str:
    """Where to sign in and come back from.

    >>> sign_in_address("/customer", "id=7&x=a b"), sign_in_address("/", "", "ended")
    ('/auth/sign-in?next=%2Fcustomer%3Fid%3D7%26x%3Da%20b', '/auth/sign-in?note=ended')
    """
    there = quote(path) + ("?" + query if query else "")
    asked = {"next": "" if there == "/" else there, "note": note}
    fields = urlencode({name: value for name, value in asked.items() if value}, safe="", quote_via=quote)
    return SIGN_IN + ("?" + fields if fields else "")


def same_site(there: str) -> str:
    """The address if it is one of this server's pages, written from its root; else "/".

    >>> [same_site(there) for there in ("/customer?id=7", "//evil.example", "/\\\\evil.example", "https:evil.example")]
    ['/customer?id=7', '/', '/', '/']
    """
    parts = urlsplit(there) if there.isprintable() and len(there) <= LONGEST_ADDRESS else None
    plain = parts is not None and not parts.scheme and not parts.netloc and "\\" not in there
    inside = there.startswith("/") and not there.startswith(("//", "/auth/"))
    return there if plain and inside else "/"


def _sign_in_page(there: str, status: int = 200, name: str = "", **messages: str) -> Response:
    focus = {"name_focus": "" if name else "autofocus", "password_focus": "autofocus" if name else ""}
    return _html("sign_in", "Sign in", status, next=there, name=name, **focus, **messages)


def _html(middle: str, title: str, status: int = 200, /, **values: str) -> Response:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(page(middle, title, **values), status, headers)


def _redirect(there: str) -> Response:
    return RedirectResponse(there, 303, {"Cache-Control": "no-store"})


def _with_cookie(request: Request, response: Response, token: str) -> Response:
    response.set_cookie(COOKIE, token, max_age=int(sessions.LIFETIME.total_seconds()), path="/", httponly=True,
                        secure=_is_secure(request), samesite="lax")
    return response


def _token(request: Request) -> str:
    return request.cookies.get(COOKIE, "")


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _form(request: Request) -> dict[str, str]:
    """The form's fields; none when it is longer than any of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM_BYTES:
            return {}
    fields = parse_qs(bytes(body).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}


async def _in_thread(function: Callable[..., T], *args: object) -> T:
    return await anyio.to_thread.run_sync(functools.partial(function, *args))


async def _at_once(function: Callable[..., T], *args: object) -> T:
    """Like `_in_thread`, for what hashes: two at a time, so that a flood of them leaves the app its cores."""
    return await anyio.to_thread.run_sync(functools.partial(function, *args), limiter=_few())


@functools.cache
def _few() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(AT_ONCE)


ROUTES = [Route(SIGN_IN, sign_in, methods=["GET", "POST"]), Route(SIGN_OUT, sign_out, methods=["GET", "POST"]),
          Route(SET_UP, set_up, methods=["GET", "POST"])]
