"""Every screen as its reader sees it: both themes, desk and phone; nothing broken, nothing foreign, readable by all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.sight import Sight
from ui.navigation import SCREENS

PICTURES = Path(__file__).resolve().parents[2] / ".screenshots"
DATASETS = ("demo-telecom", "demo-shop")
ADDRESSES = {screen.url: "/" if screen.url == "overview" else f"/{screen.url}" for screen in SCREENS}
WIDTHS = {"desk": 1440, "phone": 390}


@pytest.fixture(scope="module", params=[(theme, size) for theme in ("light", "dark") for size in WIDTHS], ids="-".join)
def window(request: pytest.FixtureRequest, looking: Callable[..., Sight]) -> Sight:
    """A window in one theme and width, signed in as the admin."""
    theme, size = request.param
    sight = looking("admin", theme=theme, width=WIDTHS[size])
    sight.name = f"{theme}-{size}"  # type: ignore[attr-defined]
    return sight


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("url", ADDRESSES)
def test_a_screen_is_sound(window: Sight, url: str, dataset: str) -> None:
    window.errors.clear()
    window.go(f"{ADDRESSES[url]}?dataset={dataset}")
    window.picture(PICTURES / dataset / f"{url}-{window.name}.png")  # type: ignore[attr-defined]
    assert window.page.locator('[data-testid="stException"]').count() == 0, window.text()[:500]
    assert window.overflow() <= 0, "Something reaches beyond the right edge."
    assert window.errors == []
    assert window.foreign == []
    assert len(window.text()) > 200, "The screen is empty."


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("url", ADDRESSES)
def test_a_screen_can_be_read_by_everyone(looking: Callable[..., Sight], url: str, theme: str) -> None:
    sight = looking("admin", theme=theme).go(ADDRESSES[url])
    if url == "customer":
        sight.page.locator('[class*="st-key-customer_open_"] button').first.click()
        sight.settle()
    for chosen in sight.page.locator('[data-testid="stButtonGroup"] [aria-checked=true]').all()[:1]:
        chosen.hover()
        sight.page.wait_for_timeout(400)
    found = sight.barriers()
    sight.page.context.close()
    assert found == {}


def test_a_link_to_a_screen_that_a_role_does_not_see_says_so(looking: Callable[..., Sight]) -> None:
    sight = looking("executive").go("/customer?dataset=demo-telecom")
    assert "This screen is not for the role executive" in sight.text()
    sight.page.context.close()
