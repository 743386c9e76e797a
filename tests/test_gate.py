"""The door, called at from outside: a real server, plain HTTP, and a bare websocket client."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus

from tests.visitor import PASSWORD, SHELL, Server, at, serving
from ui import accounts
from ui.accounts import digest
from ui.clock import now
from ui.gate import only_the_script
from ui.navigation import SCREENS
from ui.signin.views import same_site

PAGES = ["/", *(f"/{screen.url}" for screen in SCREENS), "/nothing-here", "/admin/", "/customer/7", "/favicon.png",
         "/index.html", "/manifest.json", "//admin", "/admin%00", "/pages/admin.py", "/ADMIN"]
STATIC = Path(streamlit.__file__).parent / "static"
SCRIPT = next(path.name for path in sorted((STATIC / "static" / "js").glob("index.*.js")))
FILES = ["/media/x.csv", "/media/", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/stream", "/_stcore/message",
         "/_stcore/script-health-check", "/_stcore/upload_file/a/b", "/_stcore/bidi-components/x/y",
         "/_stcore/agent/openapi.json", "/_stcore/agent/interact", "/_stcore/agent/mcp", "/component/x/index.html",
         "/app/static/x", f"/static/js/{SCRIPT}", "/static/../admin", "/customer/_stcore/health", "/auth/login",
         "/auth/logout", "/auth/", "/auth/sign-in/x", "/oauth2callback/_stcore/x", "/_stcore/health/"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A fresh server, with nothing in it but Ana, an admin."""
    with serving(tmp_path_factory.mktemp("gate") / "home", HOLDFAST_METRICS_TOKEN="a metric token") as running:
        yield running


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another one, behind a proxy that it trusts, with nobody in it."""
    with serving(tmp_path_factory.mktemp("behind") / "home", HOLDFAST_TRUSTED_PROXY="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def ana(server: Server) -> str:
    """The token of an admin."""
    return server.add("ana", "admin")


@pytest.fixture(scope="module")
def bob(server: Server, ana: str) -> str:
    """The token of a marketer."""
    return server.add("bob", "marketer")


def closed(server: Server, **asked: str) -> int:
    """The status with which a websocket is refused."""
    with pytest.raises(InvalidStatus) as told, server.visit(**asked):
        pass
    return int(told.value.response.status_code)


class TestNobody:
    @pytest.mark.parametrize("path", PAGES)
    def test_is_sent_from_every_page_to_sign_in(self, server: Server, path: str) -> None:
        answer = server.ask(path + "?id=7&x=%2F")
        assert answer.status == 303 and answer.body == b""
        there = urlsplit(answer.headers["location"])
        assert (there.scheme, there.netloc, there.path) == ("", "", "/auth/sign-in")

    @pytest.mark.parametrize("path", FILES)
    def test_gets_no_file_and_no_endpoint(self, server: Server, path: str) -> None:
        assert server.ask(path).status == 401

    @pytest.mark.parametrize("path", [*PAGES, *FILES])
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
    def test_changes_nothing(self, server: Server, path: str, method: str) -> None:
        assert server.ask(path, method, body=b"", Origin=server.origin).status == 401
        assert server.ask(path, method, body=b"").status == 403, "A browser says where it comes from."

    def test_opens_no_websocket(self, server: Server) -> None:
        assert closed(server) == 403
        assert closed(server, cookie="x" * 43) == 403
        assert closed(server, session_id="0a1b2c3d-0000-1111-2222-333344445555") == 403

    def test_is_not_believed_who_they_say_they_are(self, server: Server, ana: str) -> None:
        claims = {"X_Holdfast_Session": digest(ana), "X_Forwarded_User": "ana", "X_Remote_User": "ana",
                  "Remote_User": "ana", "Authorization": f"Bearer {ana}", "X_Original_URL": "/_stcore/health",
                  "X_Forwarded_For": "127.0.0.1", "X_HTTP_Method_Override": "GET"}
        assert server.ask("/admin", **claims).status == 303
        assert server.ask("/media/x", **claims).status == 401
        assert closed(server, **claims) == 403

    def test_sees_that_the_server_lives(self, server: Server) -> None:
        assert server.ask("/_stcore/health").text == "ok"
        assert server.ask("/_stcore/health", "HEAD").status == 200

    def test_reads_the_metrics_with_their_token_alone(self, server: Server, ana: str, behind: Server) -> None:
        assert "# TYPE" in server.ask("/_stcore/metrics", Authorization="Bearer a metric token").text
        for wrong in ("Bearer ", "Bearer a metric tokem", "a metric token", "Basic x", ""):
            assert server.ask("/_stcore/metrics", ana, Authorization=wrong).status in (401, 403)
        assert behind.ask("/_stcore/metrics", Authorization="Bearer ").status == 404, "It has no token."


class TestTheSignInPage:
    def test_needs_nothing_from_anywhere(self, server: Server, ana: str) -> None:
        answer = server.ask("/auth/sign-in")
        links = re.findall(r'(?:src|href|action)="([^"]*)"|url\("([^"]*)"\)', answer.text)
        assert answer.status == 200 and "<script" not in answer.text
        assert all((one or other).startswith(("data:", "/auth/", "/static/media/")) for one, other in links)
        font = re.search(r'url\("(/static/media/[^"]+)"\)', answer.text)
        assert font and server.ask(font[1]).body[:4] == b"wOF2", "The typeface is the one file of Streamlit's it uses."

    def test_has_labels_and_tells_failures_aloud(self, server: Server, ana: str) -> None:
        page = server.sign_in("ana", "wrong", '/customer?name="><script>').text
        assert 'role="alert"' in page and "<script" not in page
        for field in ("name", "password"):
            assert f'<label for="{field}">' in page and f'id="{field}"' in page
        assert 'autofocus' in page.partition('id="password"')[2], "The name is there already."

    def test_answers_alike_whoever_is_not_let_in(self, server: Server, bob: str) -> None:
        wrong, unknown = server.sign_in("bob", "wrong"), server.sign_in("xyz", "wrong")
        assert wrong.status == unknown.status == 401 and not wrong.cookie and not unknown.cookie
        assert wrong.text.replace('"bob"', "") == unknown.text.replace('"xyz"', "")
        assert set(wrong.headers) == set(unknown.headers)

    def test_swallows_no_flood(self, server: Server, ana: str) -> None:
        answer = server.post("/auth/sign-in", form={"name": "ana", "password": "x" * 20_000})
        assert answer.status == 401 and "x" * 100 not in answer.text

    def test_leads_back_to_where_one_was_going(self, server: Server, ana: str) -> None:
        sent = server.ask("/customer?id=a%26b&dataset=demo-shop&x=%C3%A9").headers["location"]
        there = parse_qs(urlsplit(sent).query)["next"][0]
        assert there == "/customer?id=a%26b&dataset=demo-shop&x=%C3%A9"
        form = server.ask(sent).text
        assert f'name="next" value="{there.replace("&", "&amp;")}"' in form
        answer = server.sign_in("ana", there=there)
        assert (answer.status, answer.headers["location"]) == (303, there)
        assert server.ask(sent, cookie=answer.cookie).headers["location"] == there, "Who is in goes straight on."

    @pytest.mark.parametrize("there", [
        "//evil.example", "https://evil.example", "https:evil.example", "/\\evil.example", "\\\\evil.example", "evil",
        "/\t/evil.example", "/\n/evil.example", "javascript:alert(1)", "///evil.example", "/auth/sign-out", "",
        "http:///evil.example", "/\x00", "/a\\b", "/" + "a" * 5_000, "@evil.example", "/%0d%0aSet-Cookie:x=y\r\n"])
    def test_leads_nowhere_else(self, server: Server, ana: str, there: str) -> None:
        assert same_site(there) == "/"
        answer = server.sign_in("ana", there=there)
        assert (answer.status, answer.headers["location"]) == (303, "/")

    def test_sets_a_cookie_that_scripts_and_other_sites_do_not_get(self, server: Server, ana: str) -> None:
        flags = server.sign_in("ana").headers["set-cookie"].lower().split("; ")
        assert {"httponly", "samesite=lax", "path=/", "max-age=43200"} <= set(flags) and "secure" not in flags

    def test_believes_no_client_that_it_came_by_https(self, server: Server, ana: str) -> None:
        cookie = server.sign_in("ana", X_Forwarded_Proto="https", X_Forwarded_For="10.1.1.1").headers["set-cookie"]
        assert "secure" not in cookie.lower()

    def test_believes_the_proxy_it_was_told_of(self, behind: Server) -> None:
        behind.add("ana", "admin")
        cookie = behind.sign_in("ana", X_Forwarded_Proto="https").headers["set-cookie"]
        for _ in range(20):
            behind.sign_in("x", X_Forwarded_For="10.1.1.1")
        assert behind.sign_in("ana", X_Forwarded_For="10.1.1.1").status == 401
        assert behind.sign_in("ana", X_Forwarded_For="10.1.1.2").status == 303
        assert "; secure" in cookie.lower()

    def test_locks_a_name_after_five_failures(self, server: Server, ana: str) -> None:
        server.add("lou", "marketer")
        failed = [server.sign_in("lou", "wrong").text for _ in range(5)]
        locked = server.sign_in("lou")
        assert locked.status == 401 and locked.text == failed[0] and server.sign_in("ana").status == 303


class TestOtherSites:
    @pytest.mark.parametrize("headers", [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1.evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}])
    def test_send_nothing_in_anybodys_name(self, server: Server, ana: str, headers: dict[str, str]) -> None:
        assert server.sign_in("ana", **headers).status == 403
        assert server.post("/auth/sign-out", ana, **headers).status == 403
        assert server.post("/_stcore/upload_file/a/b", ana, **headers).status == 403
        assert server.ask("/admin", cookie=ana).status == 200, "Nobody was signed out."

    def test_open_no_websocket_in_anybodys_name(self, server: Server, ana: str) -> None:
        for origin in ("http://evil.example", "null", "", f"https://127.0.0.1:{server.port + 1}"):
            assert closed(server, cookie=ana, Origin=origin) == 403

    def test_do_not_frame_it_and_get_nothing_sent(self, server: Server, ana: str) -> None:
        for path in ("/", "/auth/sign-in", "/media/x", "/nothing"):
            headers = server.ask(path, cookie=ana if path == "/" else "").headers
            policy = headers["content-security-policy"]
            assert "frame-ancestors" in policy and "://" not in policy and "*" not in policy
            assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"


class TestSignedIn:
    def test_the_app_is_served_small(self, server: Server, ana: str) -> None:
        path = f"/static/js/{SCRIPT}"
        plain, packed = server.ask(path, cookie=ana), server.ask(path, cookie=ana, Accept_Encoding="gzip")
        again = server.ask(path, cookie=ana, Accept_Encoding="gzip, br")
        assert plain.body == (STATIC / "static" / "js" / SCRIPT).read_bytes()
        assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 3
        assert again.body == packed.body and again.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) == len(packed.body)
        assert "immutable" in packed.headers["cache-control"]
        assert server.ask(path, cookie=ana, Accept_Encoding="gzip", Range="bytes=0-9").body == plain.body[:10]
        assert "content-encoding" not in server.ask(path, "HEAD", ana, Accept_Encoding="gzip").headers

    def test_nothing_of_it_without_the_cookie_once_it_is_kept(self, server: Server, ana: str) -> None:
        path = f"/static/js/{SCRIPT}"
        server.ask(path, cookie=ana, Accept_Encoding="gzip")
        assert server.ask(path, Accept_Encoding="gzip").status == 401

    def test_each_sees_their_own_screens(self, server: Server, ana: str, bob: str) -> None:
        with server.visit(ana) as hers, server.visit(bob) as his:
            hers.run()
            his.run()
            assert "Audit log" not in his.text
            offered = [{page.page_name for message in visit.heard for page in message.navigation.app_pages
                        if not page.is_hidden} for visit in (hers, his)]
            assert "Admin" in offered[0] and "Admin" not in offered[1] and "Data" in offered[1]

    def test_fifty_at_once(self, server: Server, ana: str) -> None:
        with ExitStack() as stack:
            visits = [stack.enter_context(server.visit(ana)) for _ in range(50)]
            with ThreadPoolExecutor(10) as pool:
                list(pool.map(lambda visit: visit.run("account"), visits))
            assert len({visit.session_id for visit in visits}) == 50
            assert all("Your account" in visit.text for visit in visits)

    def test_signing_out_by_an_address_alone_asks_first(self, server: Server, ana: str) -> None:
        token = server.sign_in("ana").cookie
        asked = server.ask("/auth/sign-out", cookie=token)
        assert asked.status == 200 and 'method="post"' in asked.text
        assert server.ask("/account", cookie=token).status == 200
        done = server.post("/auth/sign-out", token)
        assert done.status == 303 and 'holdfast_session=""' in done.headers["set-cookie"]
        assert server.ask("/account", cookie=token).status == 303

    def test_signing_in_again_ends_the_session_before(self, server: Server, ana: str) -> None:
        before = server.sign_in("ana").cookie
        after = server.post("/auth/sign-in", before, {"name": "ana", "password": PASSWORD}).cookie
        assert server.ask("/", cookie=before).status == 303 and server.ask("/", cookie=after).status == 200


class TestALiveSession:
    def test_ends_with_its_user(self, server: Server, ana: str) -> None:
        token = server.add("uma", "marketer")
        with server.visit(token) as visit:
            visit.run("account", "tab=1")
            assert visit.sent_to == "" and "uma" in visit.text
            with at(server.home):
                accounts.disable("uma", actor=SHELL, now=now())
            assert server.ask("/account", cookie=token).status == 303
            visit.run("account", "tab=1")
            assert visit.sent_to == "/auth/sign-in?next=%2Faccount%3Ftab%3D1&note=ended"
            assert "uma" not in visit.text and closed(server, cookie=token) == 403

    def test_ends_with_its_password(self, server: Server, ana: str) -> None:
        token = server.add("pia", "marketer")
        with server.visit(token) as visit:
            visit.run("account")
            with at(server.home):
                accounts.set_password("pia", "another fine harbour", actor=SHELL, now=now())
            visit.run("account")
            assert visit.sent_to.startswith("/auth/sign-in") and "pia" not in visit.text

    def test_runs_no_callback_and_no_fragment_once_it_has_ended(self, server: Server, ana: str) -> None:
        token = server.add("kim", "marketer")
        with server.visit(token) as visit:
            visit.run("account")
            button = re.search(r'id: "([^"]*sign_out[^"]*)"', visit.text)
            assert button, "The button's id is needed to press it."
            other = server.sign_in("kim").cookie
            server.post("/auth/sign-out", token)
            visit.run("account", clicked=button[1], fragment="x")
            assert visit.sent_to.endswith("note=ended"), "The callback would have led to /auth/sign-out."
            assert server.ask("/", cookie=other).status == 200

    def test_signs_out_by_its_button(self, server: Server, ana: str) -> None:
        token = server.sign_in("ana").cookie
        with server.visit(token) as visit:
            visit.run("account")
            button = re.search(r'id: "([^"]*sign_out[^"]*)"', visit.text)
            assert button
            visit.run("account", clicked=button[1])
            assert visit.sent_to == "/auth/sign-out"
        assert server.ask("/", cookie=token).status == 303 and server.ask("/", cookie=ana).status == 200

    def test_is_taken_up_again_by_its_own_cookie_alone(self, server: Server, ana: str, bob: str) -> None:
        with server.visit(ana) as hers:
            hers.run("account")
            for claim in ({}, {"X_Holdfast_Session": digest(ana)}):
                with server.visit(bob, session_id=hers.session_id, **claim) as his:
                    his.run("account")
                    assert his.session_id != hers.session_id and "ana" not in his.text and "bob" in his.text
            hers.run("account")
            assert "ana" in hers.text, "She was not disturbed."
        with server.visit(ana, session_id=hers.session_id) as again:
            again.run("account")
            assert again.session_id == hers.session_id, "A line that broke is taken up again."
        with server.visit(bob, session_id=hers.session_id) as his:
            his.run("account")
            assert his.session_id != hers.session_id

    def test_keeps_secrets_out_of_the_log(self, server: Server, ana: str) -> None:
        with server.visit(ana) as visit:
            visit.run("account", "customer=C0000007")
            with server.visit(ana, session_id=visit.session_id) as again:
                again.run("account")
        kept = (server.home / "data" / ".logs" / "holdfast.log").read_text() + server.said
        assert "already connected" in kept, "Streamlit has something to say about it."
        for secret in (visit.session_id, ana, digest(ana), "C0000007"):
            assert secret not in kept


def test_a_message_stripped_keeps_the_page_and_nothing_else() -> None:
    message = BackMsg()
    state = message.rerun_script
    state.query_string, state.page_script_hash, state.page_name, state.fragment_id = "id=7", "abc", "customer", "f"
    state.widget_states.widgets.add(id="button", trigger_value=True)
    state.context_info.url = "http://x/customer"
    bare = BackMsg.FromString(only_the_script(message.SerializeToString())).rerun_script
    assert (bare.query_string, bare.page_script_hash, bare.page_name) == ("id=7", "abc", "customer")
    assert bare.context_info.url == "http://x/customer"
    assert not bare.fragment_id and not bare.widget_states.widgets
    other = BackMsg(clear_cache=True).SerializeToString()
    assert BackMsg.FromString(only_the_script(other)).WhichOneof("type") == "rerun_script"
    assert only_the_script(b"\xff\xff\xff") == b""


class TestTheFirstStart:
    def test_takes_the_next_port_and_prints_a_link_that_makes_the_first_admin_once(self, server: Server,
                                                                                   tmp_path: Path) -> None:
        busy = server.port
        with serving(tmp_path / "home", busy) as server:
            assert server.port > busy and f"Port {busy} is in use; Holdfast takes {server.port}." in server.said
            assert "set-up link" in server.ask("/auth/sign-in").text
            link = re.search(r"http://\S+(/auth/setup\?token=\S+)", server.said)
            assert link and "token=" not in (server.home / "data" / ".logs" / "holdfast.log").read_text()
            path, token = link[1], link[1].partition("token=")[2]
            form = {"token": token, "name": "Ana", "password": PASSWORD, "again": PASSWORD}
            assert server.ask(path).status == 200 and server.ask("/auth/setup?token=x").status == 410
            assert server.post("/auth/setup", form=form | {"again": "x"}).status == 400
            assert server.post("/auth/setup", form=form, Origin="http://evil.example").status == 403
            made = server.post("/auth/setup", form=form)
            assert made.status == 303 and server.ask("/admin", cookie=made.cookie).status == 200
            assert server.ask(path).status == 410 and server.post("/auth/setup", form=form).status == 400
            assert 'id="password"' in server.ask("/auth/sign-in").text

