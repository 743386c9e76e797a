"""One browser window on the app: go somewhere, wait until it has settled, and remember what went wrong meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--force-color-profile=srgb", "--hide-scrollbars"]
APP = '[data-testid="stApp"]'
UNSETTLED = '[data-testid="stSkeleton"], [data-stale="true"]'
QUIET_SECONDS, MOST_SECONDS = 0.6, 60.0
STREAMLITS_OWN = {"list", "listitem", "svg-img-alt",  # its navigation and the sparklines of its metrics
                  "presentation-role-conflict"}  # where files are dropped
EXPECTED = ("/_stcore/health", "/_stcore/host-config")  # Streamlit asks for these below a deep link first


class Sight:
    """A page of a browser. `errors` collects console errors, `foreign` requests to other hosts."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        place = (message.location or {}).get("url", "")
        if message.type == "error" and not any(path in place or path in message.text for path in EXPECTED):
            self.errors.append(f"{message.text} ({place})")

    def _request(self, request: Any) -> None:
        own = (self.address, self.address.replace("http", "ws", 1), "data:", "blob:", "about:")
        if not request.url.startswith(own):
            self.foreign.append(request.url)

    def sign_in(self, name: str, password: str) -> None:
        """Through the form, as a person does."""
        self.page.goto(self.address + "/")
        self.fill_in(name, password)
        self.settle()

    def fill_in(self, name: str, password: str) -> None:
        """Send the form of the sign-in page that is open."""
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def go(self, path: str) -> Sight:
        """Open an address of the app and wait until it has settled."""
        self.page.goto(self.address + path)
        self.settle()
        return self

    def settle(self) -> None:
        """Wait until the script has not run, and nothing has been stale, for a moment on end."""
        self.page.wait_for_selector(APP)
        began = still = time.monotonic()
        while time.monotonic() - still < QUIET_SECONDS:
            assert time.monotonic() - began < MOST_SECONDS, "The screen does not come to rest."
            if not self._rests():
                still = time.monotonic()
            time.sleep(0.05)

    def _rests(self) -> bool:
        state = f'{APP}[data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'
        return self.page.locator(state).count() == 1 and self.page.locator(UNSETTLED).count() == 0

    def overflow(self) -> int:
        """By how many pixels anything reaches beyond the window's right edge."""
        return int(self.page.evaluate("""() => {
            const main = document.querySelector('[data-testid="stMain"]');
            return Math.max(document.documentElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
        }"""))

    def barriers(self) -> dict[str, list[str]]:
        """What axe-core finds that keeps somebody out, but for what is Streamlit's own: by rule, where."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return {problem["id"]: [node["html"][:160] for node in problem["nodes"]][:3] for problem in found
                if problem["id"] not in STREAMLITS_OWN}

    def text(self) -> str:
        """What the main part of the screen says, its spaces as one types them."""
        return str(self.page.locator('[data-testid="stMain"]').inner_text()).replace("\N{NO-BREAK SPACE}", " ")

    def picture(self, path: Path) -> None:
        """A screenshot of the whole screen: the window grows to what it holds, for a moment."""
        size = self.page.viewport_size
        height = self.page.evaluate("""() => document.querySelector('[data-testid="stMain"]').scrollHeight""")
        self.page.set_viewport_size({"width": size["width"], "height": min(max(height, size["height"]), 6_000)})
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))
        self.page.set_viewport_size(size)
