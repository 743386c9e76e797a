"""Streamlit's own scripts and styles, compressed once and kept: Plotly's alone go from 4.7 to 1.4 MB over the wire."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "/static/"
WORTH_BYTES = 1_000
LEVEL = 6
MOST_FILES = 1_000  # more than there are, fewer than there are ways to write their addresses
TEXT = ("application/javascript", "text/javascript", "text/css", "application/json", "image/svg+xml")


@dataclass
class Answer:
    """An answer as it is gathered: its first message, and the body so far."""

    start: Message = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    async def gather(self, message: Message) -> None:
        """Take the next message of the answer."""
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    @property
    def headers(self) -> Headers:
        """Its headers."""
        return Headers(raw=self.start["headers"])

    @property
    def is_text(self) -> bool:
        """Whether it is a whole file that compressing makes much smaller."""
        kind = self.headers.get("content-type", "").partition(";")[0]
        return self.start["status"] == 200 and kind in TEXT and len(self.body) >= WORTH_BYTES

    async def send(self, send: Send) -> None:
        """Answer as gathered."""
        await send(self.start)
        await send({"type": "http.response.body", "body": bytes(self.body)})


class Compressed:
    """Serves the files under /static/ with gzip to whoever takes it. Their names change with their content, so what was
    compressed once stays right."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or keep what the app answers."""
        if not _asks_for_file(scope):
            await self.app(scope, receive, send)
        elif kept := self.kept.get(scope["path"]):
            await kept(scope, receive, send)
        else:
            answer = Answer()
            await self.app(scope, receive, answer.gather)
            if not answer.is_text or len(self.kept) >= MOST_FILES:
                await answer.send(send)
                return
            self.kept[scope["path"]] = await run_in_threadpool(_packed, answer)
            await self.kept[scope["path"]](scope, receive, send)


def _asks_for_file(scope: Scope) -> bool:
    """Whether a whole file is asked for by somebody who takes gzip and has no older copy to compare."""
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(FOLDER):
        return False
    headers = Headers(scope=scope)
    return ("gzip" in headers.get("accept-encoding", "") and "range" not in headers
            and "if-none-match" not in headers and "if-modified-since" not in headers)


def _packed(answer: Answer) -> Response:
    response = Response(gzip.compress(bytes(answer.body), LEVEL, mtime=0), headers=dict(answer.headers))
    headers = MutableHeaders(raw=response.raw_headers)
    headers["Content-Encoding"], headers["Vary"] = "gzip", "Accept-Encoding"
    headers["Content-Length"] = str(len(response.body))
    del headers["etag"]
    return response
