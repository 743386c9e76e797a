"""Two app processes on one home and one PostgreSQL behind one proxy: who is signed in is known to both, a page is not.

The proxy hands connections out in turn, which is the hardest case: nothing sticks but a connection itself.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from engine import state
from tests.visitor import PASSWORD, SHELL, Server, serving
from ui import accounts
from ui.clock import now

pytestmark = pytest.mark.slow


class Proxy:
    """Hands each connection to the next of the servers that still answers, and counts whom it asked."""

    def __init__(self, ports: list[int]) -> None:
        self.turn, self.asked = itertools.cycle(ports), dict.fromkeys(ports, 0)
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.door.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._between, args=[self.door.accept()[0]], daemon=True).start()

    def _between(self, caller: socket.socket) -> None:
        for _ in self.asked:
            port = next(self.turn)
            with suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port))
                self.asked[port] += 1
                threading.Thread(target=_pump, args=[server, caller], daemon=True).start()
                _pump(caller, server)
                return
        caller.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def on_postgres(postgres: str, home: Path, patch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment that both servers and this process share: one home, one empty database."""
    shared = {"HOLDFAST_HOME": str(home), "HOLDFAST_DATABASE_URL": postgres}
    for name, value in shared.items():
        patch.setenv(name, value)
    state.migrate(state.connect(), "base")
    state.migrate(state.connect())
    yield shared


def test_what_is_sticky_behind_a_proxy_and_what_is_not(postgres: str, home: Path, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    with on_postgres(postgres, home, monkeypatch) as shared, ExitStack() as first_dies, ExitStack() as stack:
        one = first_dies.enter_context(serving(tmp_path / "one", **shared))
        two = stack.enter_context(serving(tmp_path / "two", **shared))
        proxy = Proxy([one.port, two.port])
        front = Server(proxy.port, home)
        accounts.add_user("lan", "manager", PASSWORD, actor=SHELL, now=now())
        cookie = front.sign_in("lan").cookie

        # Not sticky: who is signed in. Either process knows the session that the other one made.
        assert [server.ask("/data", cookie=cookie).status for server in (one, two)] == [200, 200]
        assert all(front.ask("/data", cookie=cookie).status == 200 for _ in range(4))
        assert min(proxy.asked.values()) >= 2, "the proxy asks both"

        # Sticky: a page's own state, which lives in the process that the websocket reached.
        with one.visit(cookie) as here:
            here.run("data")
            assert here.session_id
            with two.visit(cookie, here.session_id) as there:
                there.run("data")
                assert there.session_id != here.session_id

        # A process that dies takes its pages with it; a reload finds the other one, still signed in.
        first_dies.close()
        with front.visit(cookie) as again:
            again.run("data")
            assert "lan" in again.text
        assert two.post("/auth/sign-out", cookie).status in (200, 303)
        assert front.ask("/data", cookie=cookie).status == 303
