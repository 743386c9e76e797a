"""Navigation: who sees which screens, and what the app says before there are data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import catalog, watch
from engine.permissions import ROLES
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words
from ui.navigation import SCREENS, offered

TELECOM = "demo-telecom"


def test_an_executive_sees_no_customer_and_no_admin() -> None:
    urls = {screen.url for screen in offered(Actor("eve", "executive"), scored=True)}
    assert urls == {"overview", "segments", "recovery", "playbook", "model", "data", "account"}


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
        import streamlit as st

        from engine.schema import Actor
        from ui.navigation import BY_URL, kept_from, offered

        actor = Actor("x", role)
        st.navigation([screen.path for screen in offered(actor, scored=False)])
        kept_from(BY_URL[url], actor)

    def told(role: str, url: str) -> str:
        app = healthy(AppTest.from_function(script, args=(role, url)).run())
        return "\n".join([words(app), *(link.proto.label for link in app.get("page_link"))])

    assert "This screen is not for the role executive" in told("executive", "customer")
    assert "There are no scored customers yet" in told("manager", "customer")
    assert "Open the Data screen" in told("manager", "customer")
    assert "Open the Data screen" not in told("marketer", "customer")
    assert "A manager brings a file" in told("marketer", "customer")


@pytest.mark.slow
class TestTheDatasetLookedAt:
    def test_is_in_the_address_from_the_first_look_on(self, read_companies: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
        app = healthy(open_app(monkeypatch))
        assert app.query_params["dataset"] == app.selectbox(key="dataset").value

    def test_is_the_addresss_own(self, read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        app = healthy(open_app(monkeypatch, dataset=TELECOM))
        assert app.selectbox(key="dataset").value == TELECOM and TELECOM in words(app)

    def test_that_has_gone_is_told_and_another_one_takes_its_place(self, read_companies: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
        app = healthy(open_app(monkeypatch, dataset="gone"))
        there = app.selectbox(key="dataset").value
        assert f"There is no dataset gone any more; this is {there}." in words(app).replace("\\", "")
        assert healthy(app.run()).query_params["dataset"] == there


@pytest.mark.slow
def test_the_run_in_use_is_opened_and_another_one_says_that_it_is_not(own_companies: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    *_, before, latest = catalog.runs(TELECOM)
    catalog.use_run(before)
    app = healthy(open_app(monkeypatch, dataset=TELECOM))
    listed = app.selectbox(key=f"run_{TELECOM}")
    assert listed.value == before.run_id and "not the scores in use" not in words(app)
    assert "not the scores in use" in words(healthy(listed.set_value(latest.run_id).run()))


class TestAnOpenApp:
    @pytest.mark.slow
    def test_notices_a_new_run_a_model_and_an_erasure(self, own_companies: Path) -> None:
        ana = Actor("ana", "executive")
        seen = [watch.standing(ana)]
        for path in (own_companies / "data" / TELECOM / "runs" / "current", own_companies / "models" / TELECOM /
                     "production"):
            os.utime(path, ns=(1, 1))
            seen.append(watch.standing(ana))
        (own_companies / "data" / TELECOM / "current").unlink()
        seen.append(watch.standing(ana))
        assert len(set(seen)) == 4 and watch.standing(ana) == seen[-1]

    @pytest.fixture
    def looking(self) -> AppTest:
        """Somebody who looks at the newest of two runs."""

        def script() -> None:
            import streamlit as st

            from ui import follow

            runs = st.session_state.setdefault("runs", ["b", "a"])
            follow.newest_run("acme", runs, dict(zip(runs, runs, strict=True)))
            st.selectbox("Run", runs, key="run_acme")

        return AppTest.from_function(script).run()

    def test_takes_its_reader_on_to_the_run_that_comes(self, looking: AppTest) -> None:
        looking.session_state["runs"] = ["c", "b", "a"]
        assert healthy(looking.run()).selectbox(key="run_acme").value == "c"
        assert "You look at it now" in looking.toast[0].value and not looking.run().toast

    def test_leaves_who_has_chosen_an_older_one_there(self, looking: AppTest) -> None:
        looking.selectbox(key="run_acme").set_value("a").run()
        looking.session_state["runs"] = ["c", "b", "a"]
        assert healthy(looking.run()).selectbox(key="run_acme").value == "a"
        assert "Choose it at the side" in looking.toast[0].value
