"""A server of our own and whoever calls at its door: plain HTTP, and a bare websocket in Streamlit's protocol."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from engine.schema import Actor
from ui import accounts
from ui.clock import now

ROOT = Path(__file__).resolve().parents[1]
SHELL = Actor("root", "admin")
PASSWORD = "a quiet red harbour"
START_SECONDS, ANSWER_SECONDS = 90.0, 60.0
COOKIE = "holdfast_session"


@dataclass(frozen=True)
class Answer:
    """What the door answered: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def cookie(self) -> str:
        """The session's token, as the answer sets it."""
        return self.headers.get("set-cookie", "").partition(f"{COOKIE}=")[2].partition(";")[0]


@dataclass(frozen=True)
class Server:
    """A running server: its port, its home, and what it has said on stdout and stderr."""

    port: int
    home: Path

    @property
    def origin(self) -> str:
        """Where its own pages come from."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """Everything printed so far."""
        return (self.home / "said.txt").read_text(errors="replace")

    def ask(self, path: str, method: str = "GET", cookie: str = "", body: bytes | None = None,
            **headers: str) -> Answer:
        """One request; header names with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, cookie: str = "", form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """A form sent from one of the server's own pages, unless the headers say otherwise."""
        given = {"Origin": self.origin, "Content_Type": "application/x-www-form-urlencoded"} | headers
        return self.ask(path, "POST", cookie, urlencode(form or {}).encode(),
                        **{name: value for name, value in given.items() if value})

    def sign_in(self, name: str, password: str = PASSWORD, there: str = "", **headers: str) -> Answer:
        """The answer to the sign-in form."""
        return self.post("/auth/sign-in", form={"name": name, "password": password, "next": there}, **headers)

    @contextmanager
    def visit(self, cookie: str = "", session_id: str = "", **headers: str) -> Iterator[Visit]:
        """A live websocket; with `session_id` it asks to go on with that session."""
        sent = {"Origin": self.origin} | {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        protocols = ["streamlit", "x", session_id] if session_id else ["streamlit"]
        with connect(f"ws://127.0.0.1:{self.port}/_stcore/stream", subprotocols=protocols,
                     additional_headers={name: value for name, value in sent.items() if value},
                     user_agent_header=None, max_size=None) as line:
            yield Visit(line)

    def add(self, name: str, role: str) -> str:
        """A new person; returns the token of a first session."""
        with at(self.home):
            accounts.add_user(name, role, PASSWORD, actor=SHELL, now=now())
        return self.sign_in(name).cookie


@dataclass
class Visit:
    """A conversation over a websocket."""

    line: ClientConnection
    session_id: str = ""
    heard: list[ForwardMsg] = field(default_factory=list)

    def run(self, page: str = "", query: str = "", fragment: str = "", clicked: str = "") -> list[ForwardMsg]:
        """Have the script run, and hear it out."""
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        message.rerun_script.fragment_id = fragment
        message.rerun_script.context_info.url = f"http://127.0.0.1/{page}"
        if clicked:
            message.rerun_script.widget_states.widgets.add(id=clicked, trigger_value=True)
        self.line.send(message.SerializeToString())
        return self.hear()

    def hear(self) -> list[ForwardMsg]:
        """The messages of one run of the script."""
        self.heard, until = [], time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < until:
            message = ForwardMsg.FromString(bytes(self.line.recv(timeout=ANSWER_SECONDS)))  # type: ignore[arg-type]
            self.heard.append(message)
            self.session_id = message.new_session.initialize.session_id or self.session_id
            if message.WhichOneof("type") == "script_finished":
                return self.heard
        raise AssertionError("The script did not end.")

    @property
    def text(self) -> str:
        """Everything that was sent, as text."""
        return "\n".join(str(message) for message in self.heard)

    @property
    def sent_to(self) -> str:
        """Where the browser was told to go."""
        urls = (message.auth_redirect.url for message in self.heard)
        return next(filter(None, urls), "")


@contextmanager
def at(home: Path) -> Iterator[None]:
    """This process works on the server's home too, as a shell beside it does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(home))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        yield


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a process that works on the home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "FORWARDED_"))}
    return kept | {"HOLDFAST_HOME": str(home), "PYTHONUNBUFFERED": "1"} | more


@contextmanager
def serving(home: Path, port: int = 0, **more: str) -> Iterator[Server]:
    """A fresh server on the home until the block ends; on a port of its own, or the one asked for if it is free."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "said.txt").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "ui", "serve", "--port", str(port or free_port())], cwd=ROOT,
                                   env=environment(home, **more), stdin=subprocess.DEVNULL, stdout=said,
                                   stderr=subprocess.STDOUT)
    try:
        yield _once_it_answers(home, process)
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _once_it_answers(home: Path, process: subprocess.Popen[bytes]) -> Server:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.1)
        if address := re.search(r"is at http://127\.0\.0\.1:(\d+)", (home / "said.txt").read_text(errors="replace")):
            server = Server(int(address[1]), home)
            with suppress(OSError):
                server.ask("/_stcore/health")
                return server
    raise AssertionError(f"The server did not start: {(home / 'said.txt').read_text(errors='replace')}")
