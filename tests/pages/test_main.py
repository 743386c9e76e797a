"""Navigation: who sees which screens, and what the app says before there are data."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.permissions import ROLES
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words
from ui.navigation import SCREENS, offered


def test_an_executive_sees_no_customer_and_no_admin() -> None:
    urls = {screen.url for screen in offered(Actor("eve", "executive"), scored=True)}
    assert urls == {"overview", "segments", "recovery", "model", "data", "account"}


def test_only_an_admin_sees_admin() -> None:
    urls = {role: {screen.url for screen in offered(Actor("x", role), scored=True)} for role in ROLES}
    assert [role for role in ROLES if "admin" in urls[role]] == ["admin"]


def test_every_screen_has_its_file_and_its_own_address() -> None:
    assert all(screen.path.is_file() and screen.path.is_absolute() for screen in SCREENS)
    assert len({screen.url for screen in SCREENS}) == len(SCREENS)


def test_without_data_the_app_says_how_to_begin(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager"))
    assert not app.sidebar.selectbox, "There is nothing to choose from."
    assert "upload" in words(app).lower() or "bring" in words(app).lower()


def test_a_link_to_a_screen_that_is_not_offered_gets_advice() -> None:
    def script(role: str, url: str) -> None:
        from engine.schema import Actor
        from ui.navigation import BY_URL, kept_from

        kept_from(BY_URL[url], Actor("x", role))

    def told(role: str, url: str) -> str:
        return words(healthy(AppTest.from_function(script, args=(role, url)).run()))

    assert "This screen is not for the role executive" in told("executive", "customer")
    assert "There are no scored customers yet" in told("manager", "customer")
