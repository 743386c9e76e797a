"""Admin and account: people, the log and backups through the screens, in every role."""

from __future__ import annotations

import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import engine
from engine import state
from engine.errors import EngineError
from engine.files import whole
from engine.permissions import ROLES
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words
from ui import accounts, backups, roles, sessions
from ui.clock import now as clock

ROOT = Actor("root", "admin")
PASSWORD = "a quiet red harbour"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def people(home: Path) -> Path:
    """Ana is an admin, Bob a marketer; there are no data."""
    for name, role in (("ana", "admin"), ("bob", "marketer")):
        accounts.add_user(name, role, PASSWORD, actor=ROOT, now=clock())
    return home


@pytest.fixture
def admin(people: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The screen as Ana sees it."""
    return healthy(open_app(monkeypatch, "admin", "admin.py"))


def pick(app: AppTest, name: str) -> AppTest:
    """Choose somebody to change."""
    return app.selectbox(key="admin_person").set_value(name).run()


def show(app: AppTest, view: str) -> AppTest:
    """Open one of the three views."""
    return healthy(app.button_group(key="admin_view").set_value(view).run())


def who() -> dict[str, tuple[str, bool]]:
    """Everybody's role, and whether they are disabled."""
    return {user.name: (user.role, user.disabled) for user in accounts.users(ROOT)}


class TestPeople:
    @pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
    def test_are_for_admins_alone(self, people: Path, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
        with pytest.raises(ValueError, match="Could not find a navigation page"):
            open_app(monkeypatch, role, "admin.py")

    def test_are_counted_and_listed(self, admin: AppTest) -> None:
        assert "2 people, 1 of them an admin." in words(admin)
        shown = admin.dataframe[0].value
        assert shown["Name"].tolist() == ["ana", "bob"] and shown["Last sign-in (UTC)"].tolist() == ["never", "never"]

    def test_are_let_in_with_a_password_that_is_shown_once(self, admin: AppTest) -> None:
        admin.text_input(key="admin_new_name").set_value(" Carl ")
        admin.selectbox(key="admin_new_role").set_value("manager")
        healthy(admin.button(key="admin_add_button").click().run())
        password = admin.code[0].value
        assert who()["carl"] == ("manager", False) and "carl can sign in as manager" in words(admin)
        assert admin.selectbox(key="admin_new_role").value == "executive", "The next one is not let in as the last was."
        assert sessions.sign_in("carl", password, "", clock())
        assert not admin.run().code, "Once."
        assert password not in str([entry.detail for entry in state.audit_log()])

    def test_a_name_that_cannot_be_is_told(self, admin: AppTest) -> None:
        admin.text_input(key="admin_new_name").set_value("a b")
        healthy(admin.button(key="admin_add_button").click().run())
        assert "1 to 64" in admin.error[0].value and not admin.code and set(who()) == {"ana", "bob"}

    def test_change_role(self, admin: AppTest) -> None:
        pick(admin, "bob").selectbox(key="admin_role_bob_marketer").set_value("executive").run()
        healthy(admin.button(key="admin_set_role").click().run())
        assert who()["bob"] == ("executive", False)

    def test_are_disabled_and_enabled(self, admin: AppTest) -> None:
        token = sessions.sign_in("bob", PASSWORD, "", clock())
        healthy(pick(admin, "bob").button(key="admin_disable").click().run())
        assert who()["bob"][1] and sessions.user_of(token, clock()) is None and "1 may not sign in" in words(admin)
        healthy(admin.button(key="admin_enable").click().run())
        assert not who()["bob"][1]

    def test_get_a_new_password(self, admin: AppTest) -> None:
        healthy(pick(admin, "bob").button(key="admin_reset").click().run())
        assert sessions.sign_in("bob", admin.code[0].value, "", clock())
        with pytest.raises(EngineError):
            sessions.sign_in("bob", PASSWORD, "", clock())

    def test_the_last_admin_stays(self, admin: AppTest) -> None:
        healthy(pick(admin, "ana").button(key="admin_disable").click().run())
        assert "last admin" in admin.error[0].value and who()["ana"] == ("admin", False)

    def test_roles_say_what_the_engine_allows(self) -> None:
        assert not roles.may("executive")["Names, addresses and numbers"]
        assert all(roles.may("admin").values()) and [row["Executive"] for row in roles.compared()].count("yes") == 1


class TestTheLog:
    def test_is_narrowed_by_its_filters(self, admin: AppTest) -> None:
        state.record(ROOT, "export", "acme", clock())
        state.record(ROOT, "predict", "acme", datetime(2020, 1, 1), {"customer_id": "7"})
        shown = show(admin, "Audit log").dataframe[0].value
        assert shown["What"].tolist() == ["export", "add user", "add user"], "Of the last seven days."
        assert shown["Detail"].tolist() == ["", "role: marketer", "role: admin"]
        admin.selectbox(key="admin_log_since").set_value("Ever").run()
        assert len(admin.dataframe[0].value) == 4
        admin.selectbox(key="admin_log_about").set_value("acme").run()
        assert admin.dataframe[0].value["What"].tolist() == ["predict", "export"]
        admin.selectbox(key="admin_log_what").set_value("export").run()
        assert len(admin.dataframe[0].value) == 1
        admin.selectbox(key="admin_log_about").set_value("bob").run()
        assert not admin.dataframe and "Widen them" in words(admin)

    def test_shows_no_customer(self, admin: AppTest) -> None:
        state.record(ROOT, "predict", "acme", clock(), {"customer_id": "C0000007"})
        assert "C0000007" not in str(show(admin, "Audit log").dataframe[0].value.to_dict())


class TestBackups:
    def test_are_made_kept_and_taken_away(self, admin: AppTest, people: Path) -> None:
        healthy(show(admin, "Backup").button(key="admin_backup").click().run())
        kept = backups.kept()
        assert len(kept) == 1 and zipfile.is_zipfile(backups.path_of(kept[0].name))
        assert admin.dataframe[0].value["Backup"].tolist() == [kept[0].name]
        healthy(admin.button(key="admin_prepare").click().run())
        assert admin.get("download_button")
        assert [entry.verb for entry in state.audit_log(2)] == ["download backup", "backup"]

    def test_can_be_restored_once_one_is_there(self, admin: AppTest) -> None:
        assert "Make a backup first" in words(show(admin, "Backup"))
        healthy(admin.button(key="admin_backup").click().run().run())
        assert admin.selectbox(key="admin_restore_from").value == backups.kept()[0].name

    def test_are_limited(self, admin: AppTest) -> None:
        for _ in range(backups.PER_HOUR):
            state.record(Actor("ana", "admin"), "backup", "x", clock())
        show(admin, "Backup").button(key="admin_backup").click().run()
        assert "at most 12 times in 1 hour" in admin.error[0].value and not backups.kept()

    def test_that_a_kill_cut_short_are_swept(self, home: Path) -> None:
        made = backups.make(Actor("ana", "admin"), clock())
        half, begun = (backups.folder() / f".x{number}.zip.1.part" for number in (1, 2))
        half.write_bytes(b"all that is known of every customer")
        begun.touch()
        with whole(backups.folder() / "y.zip") as file:
            file.write(b"z")
            file.flush()
            assert backups.kept() == [made] and not half.exists() and begun.exists()
        assert (backups.folder() / "y.zip").read_bytes() == b"z", "Nobody sweeps what is being written."

    def test_are_restored_after_a_word(self, admin: AppTest) -> None:
        backups.make(Actor("ana", "admin"), clock())
        accounts.add_user("carl", "admin", PASSWORD, actor=ROOT, now=clock())
        show(admin, "Backup")
        assert admin.button(key="admin_restore").disabled and admin.selectbox(key="admin_restore_from").value
        admin.text_input(key="admin_sure").set_value("restore").run()
        healthy(admin.button(key="admin_restore").click().run())
        assert set(who()) == {"ana", "bob"} and state.audit_log(1)[0].verb == "restore"

    def test_a_damaged_one_is_told_and_changes_nothing(self, admin: AppTest) -> None:
        path = backups.path_of(backups.make(Actor("ana", "admin"), clock()).name)
        path.write_bytes(path.read_bytes()[:-30])
        show(admin, "Backup").text_input(key="admin_sure").set_value("restore").run()
        healthy(admin.button(key="admin_restore").click().run())
        assert "no sound backup" in admin.error[0].value

    @pytest.mark.parametrize("name", ["../state.db", "/etc/passwd", "..", ".x.zip", ""])
    def test_names_lead_nowhere_else(self, home: Path, name: str) -> None:
        with pytest.raises(EngineError, match="is no backup"):
            backups.path_of(name)


class TestTheAccount:
    @pytest.mark.parametrize("role", ROLES)
    def test_says_what_the_role_may(self, people: Path, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
        said = words(healthy(open_app(monkeypatch, role, "account.py")))
        assert f"in the role **{role}**" in said
        assert ("Names, addresses and numbers: not in your role" in said) == (role == "executive")
        assert engine.may(Actor("x", role), "contact") == (role != "executive")

    def test_changes_the_password(self, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        app = healthy(open_app(monkeypatch, "admin", "account.py"))
        token = sessions.sign_in("ana", PASSWORD, "", clock())

        def ask(old: str, new: str, again: str) -> str:
            for key, value in (("account_old", old), ("account_new", new), ("account_again", again)):
                app.text_input(key=key).set_value(value)
            healthy(app.button(key="account_change").click().run())
            return str(app.error[0].value) if app.error else ""

        assert "not the same" in ask(PASSWORD, "a loud green harbour", "x")
        assert "at least 12" in ask(PASSWORD, "short", "short")
        assert "not right" in ask("wrong", "a loud green harbour", "a loud green harbour")
        assert sessions.user_of(token, clock())
        assert ask(PASSWORD, "a loud green harbour", "a loud green harbour") == ""
        assert sessions.user_of(token, clock()) is None and sessions.sign_in("ana", "a loud green harbour", "", clock())
