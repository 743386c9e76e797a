"""People, their passwords and sessions: who gets in, who no longer does, and what a stranger can learn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from engine import state
from engine.errors import EngineError, Refused
from engine.limits import within
from engine.schema import Actor
from engine.state import SESSIONS, SETUP_LINKS, SIGN_INS, USERS
from ui import accounts, passwords, sessions

ROOT = Actor("root", "admin")
PASSWORD = "a quiet red harbour"
OTHER = "a loud green harbour"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HERE = "10.0.0.1"

pytestmark = pytest.mark.usefixtures("engine", "quick_hashes")


@pytest.fixture
def ana(now: datetime) -> str:
    """Ana is an admin."""
    accounts.add_user("ana", "admin", PASSWORD, actor=ROOT, now=now)
    return "ana"


@pytest.fixture
def bob(now: datetime, ana: str) -> str:
    """Bob is a marketer, and there is an admin beside him."""
    accounts.add_user("bob", "marketer", PASSWORD, actor=ROOT, now=now)
    return "bob"


def sign_in(name: str, now: datetime, password: str = PASSWORD, address: str = HERE) -> str:
    """A session's token."""
    return sessions.sign_in(name, password, address, now)


def refused(name: str, now: datetime, password: str = PASSWORD, address: str = HERE) -> str:
    """What is said when signing in fails."""
    with pytest.raises(EngineError) as told:
        sign_in(name, now, password, address)
    return str(told.value)


def log() -> list[tuple[str, str, str]]:
    """Who did what to whom, oldest first."""
    return [(entry.actor.id, entry.verb, entry.about) for entry in reversed(state.audit_log())]


class TestPeople:
    def test_are_listed_with_role_and_last_sign_in(self, bob: str, now: datetime) -> None:
        sign_in("bob", now + HOUR)
        assert accounts.users(ROOT) == [accounts.User("ana", "admin", False, now, None),
                                        accounts.User("bob", "marketer", False, now, now + HOUR)]

    @pytest.mark.parametrize("name", ["", "Ana", "a b", "a/b", "ä", "a" * 65, "a\n", "../x", "a:b"])
    def test_have_plain_names(self, name: str, now: datetime) -> None:
        with pytest.raises(EngineError, match="takes 1 to 64"):
            accounts.add_user(name, "admin", PASSWORD, actor=ROOT, now=now)

    def test_have_one_name_each_and_a_role_there_is(self, bob: str, now: datetime) -> None:
        with pytest.raises(EngineError, match="is a user bob already"):
            accounts.add_user("bob", "admin", PASSWORD, actor=ROOT, now=now)
        with pytest.raises(EngineError, match="no role 'king'"):
            accounts.add_user("carl", "king", PASSWORD, actor=ROOT, now=now)
        with pytest.raises(EngineError, match="no user 'carl'"):
            accounts.disable("carl", actor=ROOT, now=now)

    @pytest.mark.parametrize("role", ["executive", "marketer", "manager"])
    def test_are_an_admins_matter(self, role: str, bob: str, now: datetime) -> None:
        eve = Actor("eve", role)
        acts: list[Callable[[], object]] = [
            lambda: accounts.users(eve), lambda: accounts.add_user("x", "admin", PASSWORD, actor=eve, now=now),
            lambda: accounts.set_role("bob", "admin", actor=eve, now=now),
            lambda: accounts.disable("bob", actor=eve, now=now), lambda: accounts.enable("bob", actor=eve, now=now),
            lambda: accounts.set_password("bob", OTHER, actor=eve, now=now)]
        before = accounts.users(ROOT)
        for act in acts:
            with pytest.raises(Refused):
                act()
        assert accounts.users(ROOT) == before

    def test_the_last_admin_stays(self, bob: str, now: datetime) -> None:
        for change in (lambda: accounts.disable("ana", actor=ROOT, now=now),
                       lambda: accounts.set_role("ana", "manager", actor=ROOT, now=now)):
            with pytest.raises(EngineError, match="last admin"):
                change()
        accounts.set_role("bob", "admin", actor=ROOT, now=now)
        accounts.disable("ana", actor=ROOT, now=now)
        with pytest.raises(EngineError, match="last admin"):
            accounts.disable("bob", actor=ROOT, now=now)

    def test_of_two_admins_who_disable_each_other_one_stays(self, bob: str, now: datetime) -> None:
        accounts.set_role("bob", "admin", actor=ROOT, now=now)
        begin = threading.Barrier(2)

        def disable(name: str) -> bool:
            begin.wait()
            try:
                accounts.disable(name, actor=ROOT, now=now)
            except EngineError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(disable, ["ana", "bob"])) == [False, True]

    def test_all_that_is_done_is_in_the_log_and_no_password(self, bob: str, now: datetime) -> None:
        accounts.set_role("bob", "manager", actor=ROOT, now=now)
        accounts.disable("bob", actor=ROOT, now=now)
        accounts.enable("bob", actor=ROOT, now=now)
        accounts.set_password("bob", OTHER, actor=ROOT, now=now)
        token = sign_in("bob", now, OTHER)
        sessions.change_password(OTHER, PASSWORD, actor=Actor("bob", "manager"), address=HERE, now=now)
        sessions.sign_out(sign_in("bob", now), now)
        assert log()[2:] == [
            ("root", "change role", "bob"), ("root", "disable user", "bob"), ("root", "enable user", "bob"),
            ("root", "reset password", "bob"), ("bob", "sign in", "bob"), ("bob", "change password", "bob"),
            ("bob", "sign in", "bob"), ("bob", "sign out", "bob")]
        with state.reader() as connection:
            tables = [str(connection.execute(sa.select(table)).all()) for table in state.METADATA.sorted_tables]
        assert not any(secret in text for secret in (PASSWORD, OTHER, token) for text in tables)


class TestPasswords:
    @pytest.mark.parametrize(("password", "says"), [
        ("short", "at least 12"), ("x" * 73, "at most 72 bytes"), ("ä" * 37, "at most 72 bytes"),
        ("with\0nothing in", "at most 72"), ("Password1234", "first that anybody tries"),
        ("aaaaaaaaaaaab", "first that anybody tries"), ("ana.the.first", "first that anybody tries")])
    def test_weak_ones_are_refused(self, password: str, says: str) -> None:
        with pytest.raises(EngineError, match=says):
            passwords.check(password, "ana.the.first")

    @pytest.mark.parametrize("password", [
        PASSWORD, "日本語のとても長い合言葉です", "e\u0301tat des lieux", "  spaces count  "])
    def test_others_are_not_and_match_themselves_alone(self, password: str) -> None:
        passwords.check(password, "ana")
        kept = passwords.hashed(password)
        assert passwords.matches(password, kept) and not passwords.matches(password + "!", kept)
        assert not passwords.matches(password, None)

    def test_one_accent_is_the_same_on_every_keyboard(self) -> None:
        assert passwords.matches("\u00e9tat des lieux", passwords.hashed("e\u0301tat des lieux"))

    def test_what_bcrypt_would_cut_off_or_choke_on_does_not_match(self) -> None:
        kept = passwords.hashed("y" * 72)
        for wrong in ("y" * 73, "y" * 72 + "\0", "y" * 10_000, "\udcff" * 72, ""):
            assert not passwords.matches(wrong, kept)

    def test_a_made_up_one_is_good_enough_and_never_the_same(self) -> None:
        made = {passwords.made_up() for _ in range(100)}
        assert len(made) == 100
        for password in made:
            passwords.check(password, "ana")


class TestSigningIn:
    def test_tells_who_is_behind_the_session(self, bob: str, now: datetime) -> None:
        assert sessions.user_of(sign_in(" Bob ", now), now) == Actor("bob", "marketer")
        assert sessions.user_of("", now) is None and sessions.user_of("x" * 43, now) is None

    def test_keeps_no_token(self, bob: str, now: datetime) -> None:
        tokens = {sign_in("bob", now) for _ in range(3)}
        assert len(tokens) == 3 and all(len(token) == 43 for token in tokens)
        with state.reader() as connection:
            kept = connection.scalars(sa.select(SESSIONS.c.token_sha256)).all()
        assert set(kept) == {accounts.digest(token) for token in tokens}

    def test_fails_with_the_same_words_and_work_for_whatever_reason(self, bob: str, now: datetime,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
        accounts.add_user("gone", "manager", PASSWORD, actor=ROOT, now=now)
        accounts.disable("gone", actor=ROOT, now=now)
        for _ in range(5):
            refused("ana", now, "wrong", "10.9.9.9")
        work: list[tuple[str, str]] = []
        check = passwords._hasher().check_pw
        monkeypatch.setattr(passwords._hasher(), "check_pw", lambda password, kept: (
            work.append((password, kept.split("$")[2])), check(password, kept))[1])
        words = {refused("nobody", now), refused("bob", now, "wrong"), refused("gone", now), refused("ana", now)}
        assert words == {sessions.REFUSED}
        assert len(work) == 4 and len({cost for _, cost in work}) == 1, "One hash each, of the same cost."

    def test_keeps_nothing_of_a_name_that_is_nobodys(self, bob: str, now: datetime) -> None:
        refused("my secret typed into the wrong field", now)
        with state.reader() as connection:
            assert connection.scalars(sa.select(SIGN_INS.c.user_name)).all() == [""]

    def test_ends_after_twelve_hours(self, bob: str, now: datetime) -> None:
        token = sign_in("bob", now)
        assert sessions.user_of(token, now + 12 * HOUR - timedelta(seconds=1))
        assert sessions.user_of(token, now + 12 * HOUR) is None
        sign_in("bob", now + 13 * HOUR)
        with state.reader() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(SESSIONS)) == 1, "The old one is swept."

    def test_signing_out_ends_this_session_alone(self, bob: str, now: datetime) -> None:
        one, two = sign_in("bob", now), sign_in("bob", now)
        sessions.sign_out(one, now)
        sessions.sign_out("no token", now)
        assert sessions.user_of(one, now) is None and sessions.user_of(two, now)

    @pytest.mark.parametrize("change", [
        lambda now: accounts.disable("bob", actor=ROOT, now=now),
        lambda now: accounts.set_role("bob", "executive", actor=ROOT, now=now),
        lambda now: accounts.set_password("bob", OTHER, actor=ROOT, now=now),
        lambda now: sessions.change_password(PASSWORD, OTHER, actor=Actor("bob", "marketer"), address=HERE, now=now)],
        ids=["disable", "role", "reset", "own password"])
    def test_a_change_ends_every_session_of_that_person_and_no_other(self, change: Callable[[datetime], None], bob: str,
                                                                     now: datetime) -> None:
        his, hers = [sign_in("bob", now) for _ in range(3)], sign_in("ana", now)
        change(now)
        assert [sessions.user_of(token, now) for token in his] == [None] * 3
        assert sessions.user_of(hers, now) == Actor("ana", "admin")

    def test_a_session_of_an_older_epoch_is_none(self, bob: str, now: datetime) -> None:
        token = sign_in("bob", now)
        with state.writer() as connection:
            connection.execute(sa.update(USERS).values(epoch=USERS.c.epoch + 1))
        assert sessions.user_of(token, now) is None

    def test_ones_own_password_takes_the_old_one(self, bob: str, now: datetime) -> None:
        his = Actor("bob", "marketer")
        with pytest.raises(EngineError, match="not right"):
            sessions.change_password("wrong", OTHER, actor=his, address=HERE, now=now)
        with pytest.raises(EngineError, match="is the password you have"):
            sessions.change_password(PASSWORD, PASSWORD, actor=his, address=HERE, now=now)
        with pytest.raises(EngineError, match="at least 12"):
            sessions.change_password(PASSWORD, "short", actor=his, address=HERE, now=now)
        sessions.change_password(PASSWORD, OTHER, actor=his, address=HERE, now=now)
        assert refused("bob", now) and sign_in("bob", now, OTHER)


class TestTooManyFailures:
    def test_of_a_name_are_refused_and_forgotten_after_15_minutes(self, bob: str, now: datetime) -> None:
        for minute in range(5):
            refused("bob", now + minute * MINUTE, "wrong", f"10.0.1.{minute}")
        assert refused("bob", now + 14 * MINUTE) == sessions.REFUSED, "Even the right password, from anywhere."
        assert sign_in("ana", now + 14 * MINUTE), "Nobody else is kept out."
        assert sign_in("bob", now + 15 * MINUTE), "The first failure is 15 minutes old."

    def test_refused_attempts_do_not_keep_the_lock_closed(self, bob: str, now: datetime) -> None:
        for _ in range(5):
            refused("bob", now, "wrong")
        for minute in range(15):
            refused("bob", now + minute * MINUTE, "wrong", "10.6.6.6")
        assert sign_in("bob", now + 15 * MINUTE)

    def test_a_success_begins_the_count_anew(self, bob: str, now: datetime) -> None:
        for _ in range(4):
            refused("bob", now, "wrong")
        sign_in("bob", now)
        for _ in range(4):
            refused("bob", now, "wrong")
        assert sign_in("bob", now)

    def test_from_an_address_are_refused_whoever_is_tried(self, bob: str, now: datetime) -> None:
        for number in range(20):
            refused(f"guess{number}", now, "wrong", "10.6.6.6")
        assert refused("bob", now, address="10.6.6.6") == sessions.REFUSED
        assert sign_in("bob", now, address="10.0.0.2") and sign_in("bob", now + 15 * MINUTE, address="10.6.6.6")

    def test_many_at_once_do_not_slip_through(self, bob: str, now: datetime) -> None:
        checked: list[str] = []
        matches = passwords.matches
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passwords, "matches", lambda *args: (checked.append(args[0]), matches(*args))[1])
            with ThreadPoolExecutor(12) as pool:
                list(pool.map(lambda k: refused("bob", now, f"guess {k}", f"10.0.2.{k}"), range(24)))
        with state.reader() as connection:
            let_through = connection.scalar(sa.select(sa.func.count()).select_from(SIGN_INS))
        assert let_through == 5 and len(checked) == 24

    def test_count_for_the_old_password_too(self, bob: str, now: datetime) -> None:
        for _ in range(5):
            with pytest.raises(EngineError):
                sessions.change_password("wrong", OTHER, actor=Actor("bob", "marketer"), address=HERE, now=now)
        with pytest.raises(EngineError, match="too many attempts"):
            sessions.change_password(PASSWORD, OTHER, actor=Actor("bob", "marketer"), address=HERE, now=now)

    def test_are_told_to_the_log_once(self, bob: str, now: datetime) -> None:
        for _ in range(8):
            refused("bob", now, "wrong")
        assert [line for line in log() if line[1] == "lock out"] == [("bob", "lock out", "bob")]

    def test_are_forgotten_after_a_day(self, bob: str, now: datetime) -> None:
        refused("bob", now, "wrong")
        sign_in("bob", now + timedelta(days=1, minutes=1))
        with state.reader() as connection:
            assert connection.scalars(sa.select(SIGN_INS.c.succeeded)).all() == [True]


class TestAClockSetBack:
    YEAR = timedelta(days=365)

    def test_lets_everybody_in_at_once(self, bob: str, now: datetime) -> None:
        for _ in range(20):
            refused("bob", now, "wrong")
        assert sign_in("bob", now - self.YEAR)

    def test_ends_the_sessions_begun_later_than_now(self, bob: str, now: datetime) -> None:
        token = sign_in("bob", now)
        assert sessions.user_of(token, now - self.YEAR) is None, "It would live a year and twelve hours."
        assert sessions.user_of(token, now - HOUR) is None
        assert sessions.user_of(token, now - 4 * MINUTE), "Clocks that agree to five minutes end nobody's work."

    def test_voids_the_set_up_link(self, now: datetime) -> None:
        token = accounts.new_setup_link(now)
        assert token and accounts.is_open(token, now) and not accounts.is_open(token, now - self.YEAR)

    def test_does_not_use_up_the_limits(self, now: datetime) -> None:
        for _ in range(3):
            state.record(ROOT, "export", "acme", now)
        within(ROOT, "export", 3, 3600, now - self.YEAR)


class TestTheFirstAdmin:
    def test_is_made_once_by_the_link(self, now: datetime) -> None:
        token = accounts.new_setup_link(now)
        assert token and len(token) == 43 and accounts.is_open(token, now) and not accounts.are_there_any()
        accounts.set_up(token, "ana", PASSWORD, now)
        assert accounts.users(ROOT)[0].role == "admin" and sign_in("ana", now)
        with pytest.raises(EngineError, match="has been used"):
            accounts.set_up(token, "eve", PASSWORD, now)
        assert accounts.new_setup_link(now) is None
        assert log()[0] == ("ana", "add user", "ana")

    def test_a_weak_password_leaves_the_link_as_it_is(self, now: datetime) -> None:
        token = accounts.new_setup_link(now) or ""
        with pytest.raises(EngineError, match="at least 12"):
            accounts.set_up(token, "ana", "short", now)
        accounts.set_up(token, "ana", PASSWORD, now)

    def test_comes_within_15_minutes_with_the_newest_link(self, now: datetime) -> None:
        old = accounts.new_setup_link(now) or ""
        new = accounts.new_setup_link(now) or ""
        for token, moment in ((old, now), (new, now + 15 * MINUTE), ("", now), ("x" * 43, now)):
            with pytest.raises(EngineError, match="has been used"):
                accounts.set_up(token, "eve", PASSWORD, moment)
        with state.reader() as connection:
            assert connection.scalars(sa.select(SETUP_LINKS.c.token_sha256)).all() == [accounts.digest(new)]

    def test_is_nobody_once_the_shell_has_made_one(self, now: datetime) -> None:
        token = accounts.new_setup_link(now) or ""
        accounts.add_user("ana", "admin", PASSWORD, actor=ROOT, now=now)
        with pytest.raises(EngineError, match="has been used"):
            accounts.set_up(token, "eve", PASSWORD, now)

    def test_of_two_who_use_the_link_at_once_one_is(self, now: datetime) -> None:
        token = accounts.new_setup_link(now) or ""
        begin = threading.Barrier(2)

        def try_it(name: str) -> bool:
            begin.wait()
            try:
                accounts.set_up(token, name, PASSWORD, now)
            except EngineError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(try_it, ["ana", "eve"])) == [False, True]
        assert len(accounts.users(ROOT)) == 1


class TestLimits:
    def test_are_counted_per_actor_and_verb_and_decay(self, now: datetime) -> None:
        bob = Actor("bob", "marketer")
        for minute in (0, 10):
            within(bob, "export", 2, 3600, now + minute * MINUTE)
            state.record(bob, "export", "acme", now + minute * MINUTE)
        with pytest.raises(EngineError, match=r"at most 2 times in 1 hour\. Wait 40 minutes"):
            within(bob, "export", 2, 3600, now + 20 * MINUTE)
        within(bob, "start", 2, 3600, now + 20 * MINUTE)
        within(ROOT, "export", 2, 3600, now + 20 * MINUTE)
        within(bob, "export", 2, 3600, now + 60 * MINUTE)

    def test_are_counted_by_the_index(self, engine: sa.Engine) -> None:
        if engine.dialect.name != "sqlite":
            pytest.skip("PostgreSQL scans a log of a few lines whatever its indexes.")
        with state.reader() as connection:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT at FROM audit_log WHERE actor = 'a' AND verb = 'v' AND at > '2' "
                "AND at <= '3' ORDER BY at DESC LIMIT 5").all()
        assert "ix_audit_log_actor" in str(plan) and "TEMP B-TREE" not in str(plan)
