"""A fresh server with both demo companies, people in every role, and a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.sight import FLAGS, Sight

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery 7"
PEOPLE = {"ada": "admin", "mona": "manager", "mark": "marketer", "eve": "executive"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these drive a browser."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome on this machine."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("No Chromium or Chrome found. On Debian: apt-get install chromium. Then run the tests again.")
    return found


@pytest.fixture(scope="session")
def served_home(companies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the server: a copy of the demo companies."""
    return Path(shutil.copytree(companies, tmp_path_factory.mktemp("served") / "home"))


@pytest.fixture(scope="session")
def served(served_home: Path) -> Iterator[str]:
    """The address of a fresh server there, with one person per role."""
    place = served_home
    environment = {**os.environ, "HOLDFAST_HOME": str(place)}
    environment.pop("HOLDFAST_DATABASE_URL", None)
    for name, role in PEOPLE.items():
        subprocess.run([sys.executable, "-m", "ui", "users", "add", name, "--role", role, "--password-stdin"], cwd=ROOT,
                       env=environment, input=PASSWORD + "\n", text=True, check=True, capture_output=True)
    port = _free_port()
    log = (place / "server.log").open("wb")
    server = subprocess.Popen([sys.executable, "-m", "ui", "serve", "--port", str(port)], cwd=ROOT, env=environment,
                              stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        _until_it_answers(address, server, place / "server.log")
        yield address
    finally:
        server.terminate()
        server.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_it_answers(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address + "/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The server did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """The one Chromium of this test process: a process cannot run two."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def looking(browser: Any, served: str) -> Callable[..., Sight]:
    """Open a browser window: `looking(role, theme=..., width=...)`, signed in as the person of that role, or nobody."""
    cookies: dict[str, list[dict[str, object]]] = {}

    def look(role: str | None = "manager", theme: str = "light", width: int = 1440, height: int = 1000) -> Sight:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme,
                                      accept_downloads=True)
        sight = Sight(context.new_page(), served)
        if role and role not in cookies:
            sight.sign_in(next(name for name, has in PEOPLE.items() if has == role), PASSWORD)
            cookies[role] = context.cookies()
        elif role:
            context.add_cookies(cookies[role])
        return sight

    return look
