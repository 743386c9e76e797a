"""What the screen Admin is made of: people and their roles, the audit log, backup and restore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

import engine
from engine.permissions import ROLES
from engine.schema import Actor, plural
from ui import accounts, backups, passwords, roles, session, state
from ui.components import card, escaped, told

HANDED, DONE = "_admin_handed", "_admin_done"
SHOWN_LINES, KNOWN_LINES = 500, 2_000
SINCE = {"24 hours": 1, "7 days": 7, "30 days": 30, "Ever": None}
ANY = "Any"
LARGEST_DOWNLOAD_MB = 500
WORD = "restore"
MOST_ROWS, TABLE_HEIGHT = 15, 560


def head(actor: Actor) -> None:
    """The screen's question, and in one sentence who there is."""
    st.title("Who may do what, and what was done?", anchor=False)
    people = accounts.users(actor)
    admins = sum(user.role == "admin" and not user.disabled for user in people)
    out = sum(user.disabled for user in people)
    st.markdown(f"{plural(len(people), 'person', 'people')}, {admins} of them {'an admin' if admins == 1 else 'admins'}"
                f"{f'; {out} may not sign in' if out else ''}.")


def people(actor: Actor) -> None:
    """Everybody, what can be changed about one of them, and letting in one more."""
    found = accounts.users(actor)
    _news()
    with card("People", "Changing a role or a password, or disabling somebody, ends their sessions at once."):
        _table([_person(user) for user in found], "admin_people", "People")
    left, right = st.columns(2)
    with left, card("Change somebody"):
        _change(found, actor)
    with right, card("Let somebody in", "They get a password made up here, and change it under Your account."):
        _add(actor)
    with st.expander("What each role may", key="admin_roles", type="compact"):
        _table(roles.compared(), "admin_compared", "What each role may", wide="May")


def _table(rows: Sequence[dict[str, str]], key: str, alt: str, wide: str = "") -> None:
    """Rows as they are; beyond what fits on a screen they scroll."""
    st.dataframe(rows, hide_index=True, key=key, alt=alt, height=TABLE_HEIGHT if len(rows) > MOST_ROWS else "content",
                 column_config={wide: st.column_config.TextColumn(width="large")} if wide else None)


def _person(user: accounts.User) -> dict[str, str]:
    last = _minute(user.last_sign_in) if user.last_sign_in else "never"
    return {"Name": user.name, "Role": user.role, "May sign in": "no" if user.disabled else "yes",
            "Last sign-in (UTC)": last, "Since": f"{user.since:%Y-%m-%d}"}


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _news() -> None:
    """What was just done; a made-up password is shown in this run and in no other."""
    if done := st.session_state.pop(DONE, None):
        well, says = done
        (st.success if well else st.error)(escaped(says), icon=":material/check:" if well else ":material/error:")
    if handed := st.session_state.pop(HANDED, None):
        with card(f"The password of {handed[0]}", "Hand it over now. It is shown this once, and kept nowhere."):
            st.code(handed[1], language=None)


def _change(found: list[accounts.User], actor: Actor) -> None:
    by_name = {user.name: user for user in found}
    name = st.selectbox("Person", list(by_name), key="admin_person")
    if name is None:
        return
    user = by_name[name]
    role = st.selectbox("Role", ROLES, ROLES.index(user.role), key=f"admin_role_{name}_{user.role}")
    with st.container(horizontal=True):
        st.button("Change role", key="admin_set_role", disabled=role == user.role, on_click=_do,
                  args=(f"{name} is {role} now.", accounts.set_role, name, role, actor))
        if user.disabled:
            st.button("Enable", key="admin_enable", on_click=_do,
                      args=(f"{name} can sign in again.", accounts.enable, name, actor))
        else:
            st.button("Disable", key="admin_disable", on_click=_do,
                      args=(f"{name} cannot sign in any more.", accounts.disable, name, actor))
        st.button("New password", key="admin_reset", on_click=_reset, args=(name, actor))


def _add(actor: Actor) -> None:
    with st.form("admin_add", border=False, enter_to_submit=False):
        st.text_input("User name", key="admin_new_name", max_chars=64, help="a to z, digits, dot, - and _")
        st.selectbox("Role", ROLES, key="admin_new_role")
        st.form_submit_button("Let in", type="primary", key="admin_add_button", on_click=_let_in, args=(actor,))


def _let_in(actor: Actor) -> None:
    name, role = st.session_state["admin_new_name"].strip().lower(), st.session_state["admin_new_role"]
    password = passwords.made_up()
    if _done(f"{name} can sign in as {role}.", accounts.add_user, name, role, password, actor):
        st.session_state[HANDED] = (name, password)
        st.session_state["admin_new_role"] = ROLES[0]
        st.session_state["admin_new_name"] = ""


def _reset(name: str, actor: Actor) -> None:
    password = passwords.made_up()
    if _done(f"{name} has another password; their sessions have ended.", accounts.set_password, name, password, actor):
        st.session_state[HANDED] = (name, password)


def _do(says: str, act: Any, *args: Any) -> None:
    """Do it as the actor, the last argument, and remember what to say."""
    _done(says, act, *args)


def _done(says: str, act: Any, *args: Any) -> bool:
    """The same, and whether it could be done."""
    *what, actor = args
    try:
        act(*what, actor=actor, now=state.now())
    except engine.EngineError as problem:
        st.session_state[DONE] = (False, str(problem))
        return False
    st.session_state[DONE] = (True, says)
    return True


def log(actor: Actor) -> None:
    """The audit log, newest first, narrowed by four filters that live in the address."""
    known = engine.audit_log(KNOWN_LINES, actor)
    with st.grid(4, min_column_width=160):
        chosen = {name: _filter(title, {line[name] for line in known}) for name, title in
                  (("verb", "What"), ("actor", "Who"), ("about", "About"))}
        days = SINCE[st.selectbox("Since", list(SINCE), 1, key="admin_log_since", bind="query-params") or "Ever"]
    lines = engine.audit_log(SHOWN_LINES, actor, verb=chosen["verb"], who=chosen["actor"], about=chosen["about"],
                             since=state.now() - timedelta(days=days) if days else None)
    if not lines:
        st.caption("Nothing was done that fits these filters. Widen them.")
        return
    _table([_line(line) for line in lines], "admin_log", "Audit log", wide="Detail")
    newest = "The newest " if len(lines) == SHOWN_LINES else ""
    st.caption(f"{newest}{plural(len(lines), 'line')}, the one written last first. Customers appear as a keyed hash; "
               "nobody can change or remove a line.")


def _filter(title: str, values: set[str]) -> str | None:
    key = f"admin_log_{title.lower()}"
    chosen = st.selectbox(title, [ANY, *sorted(values)], key=key, bind="query-params")
    return None if chosen == ANY else chosen


def _line(line: Any) -> dict[str, str]:
    detail = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in line["detail"].items())
    who = f"{line['actor']} ({line['role']})"
    return {"When (UTC)": line["at"].replace("T", " "), "Who": who, "What": line["verb"], "About": line["about"],
            "Detail": detail}


def keeping(actor: Actor) -> None:
    """Making backups, taking them away, and restoring one."""
    left, right = st.columns(2)
    with left, card("Back up", "Datasets, models, people, audit log and what is saved, in one file. It holds all that "
                               "is known of every customer: keep it where only admins get at it."):
        if st.button("Make a backup", key="admin_backup", type="primary"):
            with told(), st.spinner("Copying datasets, models and state"):
                made = backups.make(actor, state.now())
                st.success(escaped(f"{made.name}: {made.words}."), icon=":material/check:")
        _download(actor)
    with right, card("Restore", "Everything becomes as it was when the backup was made. Whatever came later is gone. "
                                "Customers erased since are erased again; datasets erased since are back. Everybody "
                                "signs in again."):
        _restore(actor)
    st.caption(f"Backups lie in {escaped(str(backups.folder()))} on the server; `python -m engine backup` writes them "
               "elsewhere.")


def _download(actor: Actor) -> None:
    kept = {found.name: found for found in backups.kept()}
    if not kept:
        st.caption("None is kept on the server yet.")
        return
    rows = [{"Backup": found.name, "Made (UTC)": _minute(found.made), "Size": found.words} for found in kept.values()]
    _table(rows, "admin_kept", "Backups on the server")
    name = st.selectbox("Backup", list(kept), key="admin_take")
    if name and kept[name].megabytes > LARGEST_DOWNLOAD_MB:
        st.caption(f"Above {LARGEST_DOWNLOAD_MB} MB: copy it from the server's disk.")
    elif name and st.button("Prepare the download", key="admin_prepare"):
        st.download_button("Download", backups.taken(name, actor, state.now()), name, "application/zip",
                           key="admin_download", on_click="ignore", icon=":material/download:")


def _restore(actor: Actor) -> None:
    brought = st.file_uploader("A backup from elsewhere", "zip", key="admin_upload",
                               help="Restore only backups of your own: they bring models, which are programs.")
    if brought and st.session_state.get("_admin_brought") != brought.file_id:
        with told():
            st.session_state["admin_restore_from"] = backups.bring(brought, actor, state.now()).name
            st.session_state["_admin_brought"] = brought.file_id
            st.rerun()
    names = [found.name for found in backups.kept()]
    if not names:
        st.caption("Make a backup first, or upload one.")
        return
    name = st.selectbox("Restore from", names, key="admin_restore_from")
    sure = st.text_input(f"Type the word {WORD} to confirm", key="admin_sure") == WORD
    if st.button("Restore everything", key="admin_restore", disabled=not (sure and name)) and name:
        with told(), st.spinner("Checking the backup, then putting everything back"):
            engine.restore(backups.path_of(name), actor=actor, now=state.now())
            session.leave("restored")
