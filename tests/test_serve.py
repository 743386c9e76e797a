"""python -m ui: people from the shell, ports, demo companies first, and a log that holds nothing it should not."""

from __future__ import annotations

import io
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import engine
from engine import catalog
from engine.errors import EngineError
from ui import __main__ as ui
from ui import accounts, logs, sessions
from ui.clock import now

PASSWORD = "a quiet red harbour"


class TestUsers:
    @pytest.fixture(autouse=True)
    def typed(self, home: Path, quick_hashes: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """A password on standard input."""
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n" + PASSWORD + "\n"))

    def test_are_added_listed_disabled_enabled_and_reset(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert ui.main(["users", "add", "ana", "--role", "admin", "--password-stdin"]) == 0
        assert sessions.sign_in("ana", PASSWORD, "", now())
        assert ui.main(["users", "add", "bob", "--role", "marketer", "--password-stdin"]) == 0
        assert ui.main(["users", "disable", "bob"]) == 0 and "sessions have ended" in capsys.readouterr().out
        assert ui.main(["users", "list", "--json"]) == 0
        people = json.loads(capsys.readouterr().out)["users"]
        assert [(user["name"], user["role"], user["disabled"]) for user in people] == [
            ("ana", "admin", False), ("bob", "marketer", True)]
        assert ui.main(["users", "enable", "bob"]) == 0
        sys.stdin = io.StringIO("a loud green harbour\n")
        assert ui.main(["users", "reset", "bob", "--password-stdin"]) == 0
        assert sessions.sign_in("bob", "a loud green harbour", "", now())
        capsys.readouterr()
        assert ui.main(["users", "list"]) == 0 and "marketer" in capsys.readouterr().out

    @pytest.mark.parametrize("arguments", [
        ["users", "add", "Ana!", "--role", "admin", "--password-stdin"], ["users", "disable", "nobody"],
        ["users", "add", "ana", "--role", "admin"], ["users", "add", "ana", "--role", "king", "--password-stdin"],
        ["users", "reset", "nobody", "--password-stdin"], ["users"], [], ["fly"]])
    def test_what_one_can_put_right_ends_with_2(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        try:
            code: object = ui.main(arguments)
        except SystemExit as end:
            code = end.code
        assert code == 2 and capsys.readouterr().err and not accounts.are_there_any()

    def test_nobody_yet_says_how_to_begin(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert ui.main(["users", "list"]) == 0 and "users add NAME" in capsys.readouterr().out


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    for main in (ui.main, __import__("engine.__main__").__main__.main):
        with pytest.raises(SystemExit) as end:
            main(["--version"])
        assert end.value.code == 0 and capsys.readouterr().out.startswith("Holdfast ")


class TestPorts:
    def test_the_wanted_one_is_taken_when_it_is_free_and_else_the_next(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            busy = other.getsockname()[1]
            other.listen()
            assert ui.free_port("127.0.0.1", busy) > busy
        assert ui.free_port("127.0.0.1", busy) == busy

    def test_an_address_of_another_machine_is_told(self) -> None:
        with pytest.raises(EngineError, match=r"cannot listen on 192\.0\.2\.1"):
            ui.free_port("192.0.2.1", 8501)

    def test_beyond_the_last_port_there_is_none(self) -> None:
        with pytest.raises(EngineError, match="--port"):
            ui.free_port("127.0.0.1", 70_000)


class TestDemoCompanies:
    @pytest.fixture
    def ran(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        """The commands that were run instead of making them."""
        commands: list[list[str]] = []

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
            commands.append(command)
            return subprocess.CompletedProcess(command, 2)

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    def test_are_made_where_they_are_absent(self, ran: list[list[str]]) -> None:
        assert ui.main(["serve", "--demo"]) == 2, "What went wrong there ends this too."
        assert ran == [[sys.executable, "-m", "engine", "demo", "--company", next(iter(engine.DEMOS))]]

    def test_are_left_as_they_are(self, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
        found = [{"name": name, "runs": 1} for name in engine.DEMOS]
        monkeypatch.setattr(engine, "describe_datasets", lambda actor: found)
        assert ui._make_demos() == 0 and ran == [] and catalog.datasets() == []


class TestTheLog:
    @pytest.fixture
    def begin(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Path]]:
        """Begins a server's log, and leaves nothing of it afterwards."""
        before = logging.getLogRecordFactory(), sys.excepthook, threading.excepthook, logging.root.handlers[:]

        def start() -> Path:
            monkeypatch.setattr(sys, "stderr", io.StringIO())
            return logs.begin(tmp_path / "logs")

        yield start
        logging.setLogRecordFactory(before[0])
        sys.excepthook, threading.excepthook, logging.root.handlers[:] = before[1:]

    def test_holds_no_customer_no_token_and_no_query(self, begin: Callable[[], Path]) -> None:
        kept = begin()
        said = ["GET /customer?id=7590-VHVEG&name=x", "ana.maria+x@example.co.uk left", "token " + "aB3-_" * 9,
                "session 0a1b2c3d-0000-1111-2222-333344445555 came back"]
        sys.stderr.write("\n".join(said) + "\n")
        text = kept.read_text() + sys.stderr.getvalue()
        assert not any(secret in text for secret in ("7590", "ana.maria", "example", "aB3-_aB3", "0a1b2c3d"))
        assert text.count("came back") == 2, "The rest is told, here and there."

    def test_tells_of_an_exception_where_and_not_what(self, begin: Callable[[], Path]) -> None:
        kept = begin()
        handler = logging.StreamHandler(sys.stderr)
        log = logging.getLogger("test_serve")
        log.addHandler(handler)
        try:
            try:
                int("Mona Lisa, 12 Rue X")
            except ValueError as problem:
                raise KeyError("Mona Lisa") from problem
        except KeyError:
            log.exception("A screen failed")
        log.removeHandler(handler)
        text = kept.read_text()
        assert "Mona" not in text + sys.stderr.getvalue()
        assert "A screen failed" in text and "test_serve.py:" in text
        assert text.index("ValueError") < text.index("which led to") < text.index("KeyError")

    def test_takes_what_ends_a_thread(self, begin: Callable[[], Path]) -> None:
        kept = begin()
        def fail() -> None:
            raise RuntimeError("Mona Lisa")

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        assert "RuntimeError" in kept.read_text() and "Mona" not in kept.read_text() + sys.stderr.getvalue()

    def test_rotates(self, begin: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        kept = begin()
        monkeypatch.setattr(sys.stderr.file, "maxBytes", 10_000)
        for number in range(2_000):
            sys.stderr.write(f"line {number}\n")
        files = list(kept.parent.iterdir())
        assert len(files) == 1 + logs.OLDER_FILES and all(path.stat().st_size <= 10_000 for path in files)
        assert "line 1999" in kept.read_text()

    def test_keeps_whole_lines_of_many_threads(self, begin: Callable[[], Path]) -> None:
        kept = begin()
        def say(name: str) -> None:
            for _ in range(200):
                sys.stderr.write(name * 20 + "\n")

        threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = [line.split()[-1] for line in kept.read_text().splitlines()]
        assert len(lines) == 800 and set(lines) == {name * 20 for name in "abcd"}
