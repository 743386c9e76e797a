"""The live session within Streamlit's script: tied to the first cookie it was seen with."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.schema import Actor
from ui import accounts, session, sessions

ROOT = Actor("root", "admin")
PASSWORD = "a quiet red harbour"

pytestmark = pytest.mark.usefixtures("quick_hashes")


def script() -> None:
    """Says who is there, and what the session holds for them."""
    import streamlit as st

    from ui import session

    actor = session.signed_in()
    if actor:
        st.session_state.setdefault("secret", f"only for {actor.id}")
    st.write(actor.id if actor else "nobody", st.session_state.get("secret", "nothing"))


class Visit:
    """A session whose cookie and clock a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        self.cookie, self.now = "", now
        monkeypatch.setattr(session, "_token", lambda: self.cookie)
        monkeypatch.setattr(session, "now", lambda: self.now)
        self.app = AppTest.from_function(script)

    def run(self, cookie: str | None = None) -> str:
        """What the script says with that cookie."""
        self.cookie = self.cookie if cookie is None else cookie
        return " ".join(element.value for element in self.app.run().markdown)


@pytest.fixture
def tokens(home: Path, now: datetime) -> dict[str, str]:
    """A session each for Ana and Bob."""
    for name in ("ana", "bob"):
        accounts.add_user(name, "admin", PASSWORD, actor=ROOT, now=now)
    return {name: sessions.sign_in(name, PASSWORD, "", now) for name in ("ana", "bob")}


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch, now: datetime) -> Visit:
    """A fresh session of Streamlit's."""
    return Visit(monkeypatch, now)


def test_its_person_is_looked_up_in_every_run(visit: Visit, tokens: dict[str, str], now: datetime) -> None:
    assert visit.run(tokens["ana"]) == "ana only for ana" == visit.run()
    accounts.disable("ana", actor=ROOT, now=now)
    assert visit.run() == "nobody nothing"


def test_another_cookie_gets_nothing_of_it(visit: Visit, tokens: dict[str, str]) -> None:
    visit.run(tokens["ana"])
    assert visit.run(tokens["bob"]) == "nobody nothing"
    assert visit.run(tokens["bob"]) == "bob only for bob", "By then it holds nothing of hers."


def test_another_session_of_the_same_person_begins_anew(visit: Visit, tokens: dict[str, str], now: datetime) -> None:
    visit.run(tokens["ana"])
    assert visit.run(sessions.sign_in("ana", PASSWORD, "", now)) == "nobody nothing"


@pytest.mark.parametrize("cookie", ["", "x" * 43, "\udcff", "'; DROP TABLE sessions; --"])
def test_no_session_is_nobody(visit: Visit, tokens: dict[str, str], cookie: str) -> None:
    assert visit.run(cookie) == "nobody nothing"


def test_it_ends_with_its_time(visit: Visit, tokens: dict[str, str], now: datetime) -> None:
    visit.run(tokens["ana"])
    visit.now = now + timedelta(hours=12)
    assert visit.run() == "nobody nothing"
