"""The door in a real browser: nobody sees anything, a deep link survives, and signing out is final."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import PASSWORD
from tests.browser.sight import Sight
from ui.navigation import SCREENS


@pytest.mark.parametrize("path", ["/", *(f"/{screen.url}" for screen in SCREENS), "/nothing-here"])
def test_nobody_sees_only_the_sign_in_page(looking: Callable[..., Sight], path: str) -> None:
    sight = looking(None)
    sight.page.goto(sight.address + path)
    assert sight.page.get_by_label("Password").is_visible()
    assert sight.page.locator('[data-testid="stApp"]').count() == 0
    assert sight.foreign == []
    sight.page.context.close()


def test_a_deep_link_survives_signing_in_and_reloading(looking: Callable[..., Sight]) -> None:
    sight = looking(None)
    sight.page.goto(sight.address + "/segments?dataset=demo-telecom")
    sight.fill_in("mona", PASSWORD)
    sight.settle()
    assert "/segments?" in sight.page.url and "dataset=demo-telecom" in sight.page.url
    sight.page.reload()
    sight.settle()
    assert "demo-telecom" in sight.text() and "dataset=demo-telecom" in sight.page.url
    sight.page.context.close()


def test_the_first_screen_has_an_address_of_its_own_too(looking: Callable[..., Sight]) -> None:
    sight = looking("executive").go("/overview")
    assert "Where do we stand?" in sight.text() and sight.page.get_by_role("dialog").count() == 0
    sight.go("/customer?customer=7")
    assert "not for the role executive" in sight.text() and sight.page.get_by_role("dialog").count() == 0
    sight.page.context.close()


def test_a_screen_that_nobody_touches_is_left_when_its_session_ends(looking: Callable[..., Sight]) -> None:
    sight = looking(None)
    sight.sign_in("mark", PASSWORD)
    sight.go("/recovery?dataset=demo-telecom")
    other = Sight(sight.page.context.new_page(), sight.address)
    other.go("/")
    other.page.get_by_role("button", name="Sign out").click()
    sight.page.get_by_label("Password").wait_for()
    assert "next=%2Frecovery%3Fdataset%3Ddemo-telecom" in sight.page.url
    sight.page.context.close()


def test_a_wrong_password_says_no_more_than_that(looking: Callable[..., Sight]) -> None:
    sight = looking(None)
    told = []
    for name in ("mark", "nobody-of-that-name"):
        sight.page.goto(sight.address + "/")
        sight.fill_in(name, "not the password at all")
        told.append(sight.page.get_by_role("alert").inner_text())
    assert told[0] == told[1]
    sight.page.context.close()


def test_signing_out_ends_every_tab(looking: Callable[..., Sight]) -> None:
    sight = looking(None)
    sight.sign_in("mark", PASSWORD)
    other = Sight(sight.page.context.new_page(), sight.address)
    other.go("/")
    sight.page.get_by_role("button", name="Sign out").click()
    sight.page.get_by_label("Password").wait_for()
    other.page.goto(other.address + "/actions")
    assert other.page.get_by_label("Password").is_visible()
    sight.page.context.close()
