"""What one server process carries: bytes of a first visit, reruns a second, memory of many open sessions.

A fresh server on the small telecom demo. Bytes are what a real Chromium receives for the Overview, nothing cached.
Reruns are asked over websockets by signed-in sessions in turn; CPU is the server's own, as Linux counts it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.common import Row
from benchmarks.many import small_company
from tests.browser.conftest import BROWSERS
from tests.browser.sight import FLAGS, Sight
from tests.visitor import PASSWORD, Server, serving

SESSIONS, RERUNS = 50, 100
MOST_BYTES = 5_000_000
PAGE = "overview"


def run(_real_data: Path) -> list[Row]:
    """The server's figures."""
    with small_company(), tempfile.TemporaryDirectory() as folder:
        home = shutil.copytree(os.environ["HOLDFAST_HOME"], Path(folder) / "home")
        with serving(Path(home)) as server:
            cookie = server.add("lan", "manager")
            return [*_first_visit(server), *_sessions(server, cookie)]


def _first_visit(server: Server) -> list[Row]:
    """Bytes over the wire until the first page has settled."""
    from playwright.sync_api import sync_playwright

    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        return [Row("first page", "not measured", f"<= {MOST_BYTES / 1e6:.0f} MB", None, "no Chromium or Chrome found")]
    received = [0.0]
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser, args=FLAGS).new_page()
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.on("Network.loadingFinished", lambda told: _add(received, told["encodedDataLength"]))
        wire.on("Network.webSocketFrameReceived", lambda told: _add(received, len(told["response"]["payloadData"])))
        Sight(page, server.origin).sign_in("lan", PASSWORD)
    size = received[0]
    return [Row("first page over the wire, Overview", f"{size / 1e6:.2f} MB", f"<= {MOST_BYTES / 1e6:.0f} MB",
                size <= MOST_BYTES,
                "the sign-in page included; compressed at our own door; websocket payloads counted whole")]


def _add(received: list[float], more: float) -> None:
    received[0] += more


def _sessions(server: Server, cookie: str) -> list[Row]:
    pid, before = _pid(server), 0.0
    with ExitStack() as opened:
        first = opened.enter_context(server.visit(cookie))
        first.run(PAGE)
        before = _memory(pid)
        visits = [first, *(opened.enter_context(server.visit(cookie)) for _ in range(SESSIONS - 1))]
        for visit in visits[1:]:
            visit.run(PAGE)
        each = (_memory(pid) - before) / (SESSIONS - 1)
        cpu, began = _cpu(pid), time.monotonic()
        for number in range(RERUNS):
            visits[number % SESSIONS].run(PAGE)
        cpu, wall = (_cpu(pid) - cpu) / RERUNS, (time.monotonic() - began) / RERUNS
    return [
        Row("cached rerun of the Overview", f"{1000 * cpu:.0f} ms CPU, {1000 * wall:.0f} ms on the clock", "",
            None, f"{RERUNS} reruns by {SESSIONS} sessions in turn"),
        Row("cached reruns a second, one process", f"{0.65 / cpu:.0f}", "14", 0.65 / cpu >= 14,
            "at 65 % of a core, as the reference saturates"),
        Row("memory of an open session", f"{each / 1e3:,.0f} kB", "", None, f"{SESSIONS} sessions on the Overview"),
    ]


def _pid(server: Server) -> int:
    """The process that serves the home."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOLDFAST_HOME={server.home}\0".encode() in place.read_bytes() and b"ui" in (
                    place.parent / "cmdline").read_bytes():
                return int(place.parent.name)
        except OSError:
            continue
    raise AssertionError("The server's process is not to be seen.")


def _cpu(pid: int) -> float:
    """CPU seconds of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Resident bytes of the process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
