"""One question to a chat completions server: sent with patience, answered within a time, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from engine.errors import EngineError

BASE_URL, MODEL, KEY = "HOLDFAST_LLM_BASE_URL", "HOLDFAST_LLM_MODEL", "HOLDFAST_LLM_KEY"
TIMEOUT, TOKENS = "HOLDFAST_LLM_TIMEOUT_SECONDS", "HOLDFAST_LLM_TOKEN_BUDGET"
TRIES = 3
BACKOFF_SECONDS = 1.0
LONGEST_WAIT = 30.0
MOST_BYTES = 1 << 20
MOST_TOKENS = 1_000
CHARACTERS_PER_TOKEN = 3
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
NEVER = frozenset({401, 403, 404, 405})


class NoAnswer(Exception):
    """Why the model did not answer, in a few words. final: asking it anything else would end the same."""

    def __init__(self, why: str, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


@dataclass(frozen=True)
class ChatSettings:
    """Where the model is. token_budget: most tokens in one piece of work, question and answer together."""

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_seconds: float = 30.0
    token_budget: int = 200_000

    @property
    def url(self) -> str:
        """Where the questions go."""
        base = self.base_url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"


@dataclass(frozen=True)
class Asked:
    """A question about to be sent: the hash of its bytes, and the tokens that it can take at most, estimated."""

    sha256: str
    tokens: int


@dataclass(frozen=True)
class Told:
    """An answer: its text, and the tokens that it took."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Response:
    """What came back over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def settings_of(environment: Mapping[str, str] = os.environ) -> ChatSettings:
    """The settings in HOLDFAST_LLM_BASE_URL, _MODEL and _KEY, and where given _TIMEOUT_SECONDS and _TOKEN_BUDGET.

    Raises:
        EngineError: when one is missing or not what it must be.

    >>> settings_of({BASE_URL: "http://localhost:11434/v1", MODEL: "small"}).url
    'http://localhost:11434/v1/chat/completions'
    """
    base, model = (environment.get(name, "").strip() for name in (BASE_URL, MODEL))
    if not base or not model:
        raise EngineError(f"No language model is set up. Set {BASE_URL} and {MODEL} (and {KEY} where the server wants "
                          "one), or take the template writer, which needs none.")
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
        raise EngineError(f"{BASE_URL} is no address. Write it like https://host/v1.")
    return ChatSettings(base, model, environment.get(KEY, "").strip(), _number(environment, TIMEOUT, 30.0),
                        int(_number(environment, TOKENS, 200_000)))


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "").strip() or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:
        raise EngineError(f"{name} is {text!r}. Write a number above 0, or leave it unset.")
    return number


def ask(settings: ChatSettings, system: str, user: str, permit: Callable[[Asked], None],
        sleep: Callable[[float], None]) -> Told:
    """The model's answer; NoAnswer where there is none after three tries.

    permit: asked before every try, may raise NoAnswer. sleep: waits between tries, longer each time, or as long as the
    server says where that is at most half a minute.
    """
    limit = "max_tokens"
    for left in reversed(range(TRIES)):
        body = _body(settings, system, user, limit)
        permit(Asked(hashlib.sha256(body).hexdigest(), MOST_TOKENS + len(body) // CHARACTERS_PER_TOKEN))
        try:
            response = _sent(settings, body)
        except (OSError, http.client.HTTPException) as problem:
            if not left:
                raise NoAnswer(_lost(problem)) from problem
            sleep(BACKOFF_SECONDS * 2 ** (TRIES - 1 - left))
            continue
        if response.status == 400 and limit == "max_tokens" and b"max_completion_tokens" in response.body and left:
            limit = "max_completion_tokens"  # what newer models call it
        elif response.status in AGAIN and left:
            sleep(_wait(response, TRIES - 1 - left))
        else:
            return _told(response, len(body))
    raise AssertionError("The last try returns or raises.")


def _body(settings: ChatSettings, system: str, user: str, limit: str) -> bytes:
    talk = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return json.dumps({"model": settings.model, "messages": talk, limit: MOST_TOKENS}).encode()


def _wait(response: Response, tried: int) -> float:
    """Seconds until the next try: what the server asks for, else twice as long each time."""
    asked = response.headers.get("retry-after", "")
    seconds = float(asked) if asked.replace(".", "", 1).isdigit() else BACKOFF_SECONDS * 2 ** tried
    if seconds > LONGEST_WAIT:
        raise NoAnswer("asked to wait too long", final=True)
    return seconds


def _lost(problem: Exception) -> str:
    cause = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return "no answer in time" if isinstance(cause, TimeoutError) else "connection lost"


def _told(response: Response, asked_bytes: int) -> Told:
    if response.status != 200:
        raise NoAnswer(f"status {response.status}", final=response.status in NEVER)
    try:
        answer = json.loads(response.body)
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content")
        refused = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
        raise NoAnswer("no chat completion") from problem
    if refused:
        raise NoAnswer("refused")
    if not isinstance(text, str):
        raise NoAnswer("no chat completion")
    return Told(text, _tokens(answer.get("usage"), asked_bytes + len(text)))


def _tokens(usage: Any, characters: int) -> int:
    """As the server counts them, or estimated."""
    counted = usage.get("total_tokens") if isinstance(usage, dict) else None
    return counted if isinstance(counted, int) and counted > 0 else characters // CHARACTERS_PER_TOKEN


def _sent(settings: ChatSettings, body: bytes) -> Response:
    """The response, whole and within the time; a server that drips a byte a second is left alone with it."""
    came: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()
    threading.Thread(target=lambda: came.put(_exchanged(settings, body)), daemon=True).start()
    try:
        response = came.get(timeout=settings.timeout_seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(response, Exception):
        raise response
    return response


def _exchanged(settings: ChatSettings, body: bytes) -> Response | Exception:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers |= {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
    request = urllib.request.Request(settings.url, body, headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=settings.timeout_seconds) as response:
            return _response(response)
    except urllib.error.HTTPError as problem:
        with problem:
            try:
                return _response(problem)
            except (OSError, http.client.HTTPException) as second:
                return second
    except Exception as problem:  # handed to the thread that waits, which knows what is a bug
        return problem


def _response(response: Any) -> Response:
    body = response.read(MOST_BYTES)
    return Response(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key goes to the server that was named, and nowhere else."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None
