"""A server on loopback that speaks the chat completions protocol, as well or as badly as a test wants."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler", dict[str, Any]], None]


@dataclass
class Speaker:
    """The server: its URL, what it was asked so far, and how it answers: one Answer per request, the last for ever."""

    url: str
    script: list[Answer]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def next(self) -> Answer:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    speaker: Speaker

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.speaker.asked.append(json.loads(body))
        self.speaker.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.speaker.paths.append(self.path)
        self.speaker.next()(self, self.speaker.asked[-1])

    def do_GET(self) -> None:
        self.speaker.paths.append(f"GET {self.path}")
        self.send(200, b"{}")

    def log_message(self, *_args: Any) -> None:
        return None

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def says(content: Any, status: int = 200, finish: str = "stop", **message: Any) -> Answer:
    """An answer with that content."""
    body = {"choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}],
            "usage": {"total_tokens": 321}}
    return lambda handler, _asked: handler.send(status, json.dumps(body).encode())


def texts(*told: str) -> Answer:
    """An answer as it was asked for."""
    return says(json.dumps({"texts": list(told)}))


def status(code: int, body: bytes = b"{}", **headers: str) -> Answer:
    """A refusal by status."""
    return lambda handler, _asked: handler.send(code, body, **headers)


def raw(body: bytes) -> Answer:
    """Bytes that are no answer."""
    return lambda handler, _asked: handler.send(200, body)


def hangs(seconds: float) -> Answer:
    """Nothing, for that long."""
    return lambda handler, _asked: time.sleep(seconds)


def drips(seconds: float) -> Answer:
    """A byte of the headers now and then, for that long: each read comes in time, the whole never."""

    def answer(handler: Handler, _asked: dict[str, Any]) -> None:
        until = time.monotonic() + seconds
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while time.monotonic() < until:
                handler.wfile.write(b"X-Slow: y\r\n")
                time.sleep(0.05)
        except OSError:
            return

    return answer


def drops(after: bytes = b"") -> Answer:
    """The connection, reset after some bytes."""

    def answer(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.wfile.write(after)
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True
        handler.wfile = handler.rfile = type("Closed", (), {"closed": True, "close": lambda _self: None,
                                                             "flush": lambda _self: None})()

    return answer


@contextmanager
def speaking(*script: Answer) -> Iterator[Speaker]:
    """The server while the test runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    speaker = Speaker(f"http://127.0.0.1:{server.server_address[1]}/v1", list(script))
    server.RequestHandlerClass = type("Mine", (Handler,), {"speaker": speaker})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield speaker
    finally:
        server.shutdown()
        server.server_close()
