"""Bringing one's own files: choose, look, describe, check, train. What is brought is seen by nobody else until it is
learned from, and stays for a day, so that a reload or a failure costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

import engine
from engine import intake, onboarding, uploads, watch
from engine.intake import Seen
from engine.jobs import UNDER_WAY
from engine.onboarding import Newer, Proposal
from engine.prediction import store
from engine.schema import Actor, plural
from engine.uploads import Upload
from ui import follow, state
from ui.components import card, escaped, told
from ui.onboarding import columns, found
from ui.onboarding.decisions import Asked, Form, forget, form, rewrite

ROUND, TAKEN = "_data_round", "_data_upload"
CURRENCIES = ["USD", "EUR", "GBP"]
DATA_TYPES = [ending.removeprefix(".") for ending in uploads.ENDINGS]


def bring(actor: Actor) -> None:
    """The whole way from a file to a training job."""
    upload = _current(actor)
    if upload is None:
        _choose(actor)
        return
    if not _waiting(upload):
        return
    look = _looked(upload.token, actor)
    _files(upload, look, actor)
    if not look or any(seen.problem for seen in look):
        return
    asked = _asked(upload, _newer(upload, look))
    with told():
        _window_known(upload, _proposed(upload, asked, look, actor))


def _proposed(upload: Upload, asked: Asked, look: Sequence[Seen], actor: Actor) -> Proposal:
    """What the doctor makes of the files, each part to be said otherwise, and the way to training."""
    shown = form(upload, asked, actor)
    final = shown.final
    found.summary(final)
    found.window(final)
    _start(upload, asked, final, actor)
    found.changed(final)
    found.silence(final)
    if final.adapter == "table":
        columns.parts(shown, look)
        columns.others(shown)
    found.faults(shown)
    found.left_out(final)
    found.findings(shown.first, final)
    found.preview(final)
    as_text(upload, shown)
    return final


def _window_known(upload: Upload, final: Proposal) -> None:
    """Have the field of days say how many are taken while it is empty, which only the proposal knows."""
    key, words = f"_data_window_{upload.token}", found.taken(final)
    if st.session_state.get(key, "") != words:
        st.session_state[key] = words
        st.rerun()


def _current(actor: Actor) -> Upload | None:
    """What this person brought: in this window, else last."""
    token = st.session_state.get(TAKEN)
    if token:
        try:
            return uploads.opened(token, actor=actor)
        except engine.EngineError:
            del st.session_state[TAKEN]
    return uploads.latest(actor=actor)


def _waiting(upload: Upload) -> bool:
    """Whether the files wait for what the person does next: not while a job reads them. How it ended is said above."""
    job = watch.job_of(upload)
    if job is None or job.status not in UNDER_WAY:
        return True
    follow.watch_for(job)
    names = ", ".join(path.name for path in upload.sources)
    st.info(escaped(f"{job.dataset} is being learned from {names}; the bar above follows it. You may leave: it "
                    "goes on."), icon=":material/model_training:")
    return False


# ------------------------------------------------------------------------------------------------------- files

def _choose(actor: Actor) -> None:
    with card("Choose your files", "One row per customer with who has left; order lines; or events. Several files that "
              "belong together (usage, tickets, payments, past offers) are joined by the keys they share."):
        _uploader(actor, None)
        st.caption("CSV, TSV, Excel, Parquet or JSON, also zipped. Nobody but you sees them before they are learned "
                   "from; after a day they are removed.")


def _uploader(actor: Actor, upload: Upload | None) -> None:
    """Take what is dropped, and empty the widget: it would hold the bytes in memory."""
    number = st.session_state.setdefault(ROUND, 0)
    given = st.file_uploader("Files" if upload is None else "Add files", DATA_TYPES, accept_multiple_files=True,
                             max_upload_size=uploads.most_megabytes(), key=f"data_files_{number}",
                             label_visibility="collapsed")
    if given:
        with told():
            contents = [(file.name, file.getvalue()) for file in given]
            taken = uploads.keep(contents, actor=actor, now=state.now()) if upload is None else \
                uploads.add(upload.token, contents, actor=actor)
            _looked.clear()
            st.session_state[TAKEN] = taken.token
            st.session_state[ROUND] = number + 1
            st.rerun()


def _point(actor: Actor) -> None:
    """Have the server fetch from a database, or for an admin from its own disk."""
    paths = " Or a path on this server: a folder, a DuckDB or SQLite file." if engine.may(actor, "open_path") else ""
    with st.expander("From a database instead", icon=":material/database:", key="data_point"), \
            st.form("data_point_form", border=False):
        where = st.text_input("Where", key="data_point_where", placeholder="postgresql://reader@host/shop::orders",
                              help=f"A PostgreSQL URL, with ::table or a query below.{paths} The password is used once "
                                   "and kept nowhere.")
        query = st.text_area("Query", key="data_point_query", height=80, placeholder="SELECT * FROM customers")
        if st.form_submit_button("Fetch", icon=":material/download:") and where.strip():
            with told(), st.spinner("Fetching"):
                st.session_state[TAKEN] = uploads.fetch(where, query, actor=actor, now=state.now()).token
                st.rerun()


@st.cache_data(max_entries=32, ttl="1h", show_spinner="Looking at the files")
def _looked(token: str, _actor: Actor) -> tuple[Seen, ...]:
    """The files at first sight, looked at once; a token is known to its owner alone."""
    return intake.look_at(uploads.opened(token, actor=_actor), actor=_actor)


def _files(upload: Upload, look: Sequence[Seen], actor: Actor) -> None:
    """What was brought: each file with its first rows, or with why it cannot be read."""
    with card("Your files"):
        for seen in look:
            if seen.problem:
                st.error(escaped(seen.problem), icon=":material/error:")
                continue
            words = f"{seen.name} · {_size(seen.megabytes)} · {plural(len(seen.columns), 'column')}"
            with st.expander(escaped(words), key=f"data_seen_{upload.token}_{seen.name}", icon=":material/table:"):
                st.dataframe(seen.first, hide_index=True, alt=f"The first rows of {seen.name}", height="content",
                             key=f"data_first_{upload.token}_{seen.name}")
        if upload.left_out:
            names = ", ".join(upload.left_out[:20])
            st.caption(escaped(f"Left out of the archive, since nothing here reads it: {names}"))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Bring others instead", key="data_drop", icon=":material/delete:"):
                with told():
                    uploads.drop(upload.token, actor=actor)
                    st.session_state.pop(TAKEN, None)
                    st.rerun()
            with st.popover("Add a file", icon=":material/add:", type="tertiary"):
                _uploader(actor, upload)


def _size(megabytes: float) -> str:
    """A file's size as people say it.

    >>> _size(12.34), _size(0.05), _size(0.00001)
    ('12.3 MB', '51 kB', 'less than 1 kB')
    """
    if megabytes >= 0.1:
        return f"{megabytes:,.1f} MB"
    return f"{1024 * megabytes:,.0f} kB" if 1024 * megabytes >= 1 else "less than 1 kB"


# ---------------------------------------------------------------------------------------------------- settings

def _newer(upload: Upload, look: Sequence[Seen]) -> Newer | None:
    """The dataset of which the files look like newer ones; asked once for the same files."""
    key, of = f"_data_newer_{upload.token}", len(upload.sources)
    if st.session_state.get(key, (0, None))[0] != of:
        st.session_state[key] = (of, onboarding.newer_of(name for seen in look for name in seen.columns))
    known: Newer | None = st.session_state[key][1]
    return known


def _asked(upload: Upload, newer: Newer | None) -> Asked:
    """What the dataset is called and what the files do not say."""
    token = upload.token
    with card("What the files do not say", "All but the name may stay empty."), st.grid(5, min_column_width=180):
        if f"data_name_{token}" not in st.session_state:  # not shown before, or not while a job was under way
            first = newer.name if newer else _slug(upload.sources[0].stem)
            st.session_state[f"data_name_{token}"] = st.session_state.get(f"_data_called_{token}", first)
        name = st.text_input("Name of the dataset", key=f"data_name_{token}",
                             help="Small letters, digits, - and _. A taken name gets a new version, read as was agreed "
                                  "for the one before.")
        drawn = st.date_input("Drawn on", None, key=f"data_drawn_{token}", format="YYYY-MM-DD",
                              help="The day up to which the files know everything. Empty: the last event's, or today.")
        days = st.number_input("Leaving within [days]", 1, 3660, None, key=f"data_days_{token}",
                               placeholder=st.session_state.get(f"_data_window_{token}") or "by the kind of file",
                               help="The window that the answer speaks of.")
        currency = st.selectbox("Currency", CURRENCIES, None, key=f"data_currency_{token}",
                                placeholder="as in the file", accept_new_options=True)
        reader = st.selectbox("Read them as", list(engine.ADAPTERS), None, key=f"data_adapter_{token}",
                              placeholder="as they look", format_func=lambda each: engine.ADAPTERS[each].describes)
    st.session_state[f"_data_called_{token}"] = name
    if newer:
        st.markdown(f":material/history: {escaped(_looks_like(newer, name.strip()))}")
    anew = _is_known(name.strip()) and st.toggle(
        f"Look at them as if nothing had been kept of {escaped(name.strip())}", key=f"data_anew_{token}",
        help="Otherwise they are read as was agreed for the file before.")
    return Asked(name.strip(), drawn, days, currency or "", anew=anew or bool(reader), adapter=reader or "")


def _looks_like(newer: Newer, name: str) -> str:
    """Of which dataset the files look like newer ones, and what comes of another name.

    >>> _looks_like(Newer("acme", 26, 27), "acme")
    'This looks like newer data of acme (26 of 27 columns).'
    """
    what = f"This looks like newer data of {newer.name} ({newer.there} of {newer.of} columns)"
    return f"{what}." if name == newer.name else f"{what}; under another name it becomes a dataset of its own."


def _is_known(name: str) -> bool:
    """Whether a mapping is kept under that name."""
    try:
        return onboarding.kept(name) is not None
    except engine.EngineError:  # no dataset can have the name, which the proposal says
        return False


def _slug(stem: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:40] or "acme"


def as_text(upload: Upload, shown: Form) -> None:
    """The mapping itself, to be kept or changed by hand."""
    final = shown.final
    with st.expander("The mapping as text", icon=":material/code:", key=f"data_text_{upload.token}"):
        key = f"data_toml_{upload.token}_{hash(final.toml)}"
        text = st.text_area("Mapping (TOML)", final.toml, height=320, key=key, label_visibility="collapsed")
        with st.container(horizontal=True):
            if st.button("Use this text", key=f"data_use_{upload.token}", disabled=text == final.toml):
                with told(), st.spinner("Reading and examining every column"):
                    rewrite(upload, shown, text)
                    st.rerun()
            if shown.changed and st.button("Back to what was proposed", key=f"data_back_{upload.token}"):
                forget(upload)
                st.rerun()


# ------------------------------------------------------------------------------------------------------- train

def _start(upload: Upload, asked: Asked, final: Proposal, actor: Actor) -> None:
    """The way on, where nothing stands in it: to training, or where nobody says who left to what else can be done."""
    known = store.current(asked.name) is not None
    if not final.trainable and not final.examined.stopped:
        st.info(escaped(_instead(final, known)), icon=":material/info:")
    way = "Train" if final.trainable or final.examined.stopped else "Score" if known else "Keep"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(way, key=f"data_start_{upload.token}", type="primary", icon=":material/model_training:",
                     disabled=final.examined.stopped):
            path = uploads.put_mapping(upload.token, final.toml, actor=actor)
            quick = bool(st.session_state.get(f"data_quick_{upload.token}"))
            engine.start_job(command(upload, asked, path, quick), asked.name, actor=actor, now=state.now())
            st.rerun()
        st.toggle("Quick look", key=f"data_quick_{upload.token}",
                  help="Fewer folds and replicates: a model in a fraction of the time, rougher figures.")


def _instead(final: Proposal, known: bool) -> str:
    """What is done with files that nothing can be learned from."""
    label = final.part("label")
    unsaid = f"Choose below which values of {label.column} mean that a customer left." if label.column and \
        not label.value else "The files do not say who left."
    why = final.examined.too_few or unsaid
    what = "They are scored by the model that is there." if known else \
        "Nothing is predicted; they are kept, for a file with more answers to come."
    return f"{why} {what}"


def command(upload: Upload, asked: Asked, mapping: Path, quick: bool) -> list[str]:
    """What the job runs: the same verb as in a shell."""
    options = {"--as-of": asked.drawn.isoformat() if asked.drawn else "", "--horizon-days": str(asked.days or ""),
               "--currency": asked.currency}
    told = [word for name, value in options.items() if value for word in (name, value)]
    return ["onboard", *map(str, upload.sources), "--name", asked.name, "--mapping", str(mapping), "--yes", *told,
            *(["--quick"] if quick else [])]
