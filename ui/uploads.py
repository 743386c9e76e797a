"""Bringing one's own files: choose, look, describe, check, train. What is brought is seen by nobody else until it is
learned from, and stays for a day, so that a reload or a failure costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

import streamlit as st

import engine
from engine import intake, uploads, watch
from engine.intake import Look, Preview
from engine.jobs import UNDER_WAY
from engine.schema import Actor, Finding, plural, share
from engine.uploads import Upload
from ui import components, mapping_form, state
from ui.components import card, escaped, told

ROUND, TAKEN, CHECKED = "_data_round", "_data_upload", "_data_checked"
DATA_TYPES = [ending.removeprefix(".") for ending in uploads.ENDINGS]
CURRENCIES = ["USD", "EUR", "GBP"]
MOST_SHOWN = 40


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
    if any(seen.problem for seen in look.files) or not look.files:
        return
    adapter = _adapter(upload, look)
    if adapter == "table" and not mapping_form.mapping(upload, look, actor):
        return
    asked = _asked(upload, adapter)
    if asked:
        _check(upload, asked, actor)


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
    """Whether the files wait for what the person does next: not while a job reads them, and then with why it failed."""
    job = watch.job_of(upload)
    if job is None or job.status == "cancelled":
        return True
    if job.status in UNDER_WAY:
        names = ", ".join(path.name for path in upload.sources)
        st.info(escaped(f"{job.dataset} is being learned from {names}; the bar above follows it. You may leave: it "
                        "goes on."), icon=":material/model_training:")
        return False
    st.error(escaped(f"{job.dataset} was not learned from: {job.error}"), icon=":material/error:")
    return True


# ------------------------------------------------------------------------------------------------------- files

def _choose(actor: Actor) -> None:
    with card("Choose your files", "One row per customer with who has left; or order lines. Beside them, if you have "
              "them, events and past offers, and a mapping (TOML)."):
        _uploader(actor, None)
        st.caption("CSV, TSV, Excel or Parquet, also zipped. Nobody but you sees them before they are learned from; "
                   "after a day they are removed.")


def _uploader(actor: Actor, upload: Upload | None) -> None:
    """Take what is dropped, and empty the widget: it would hold the bytes in memory."""
    number = st.session_state.setdefault(ROUND, 0)
    found = st.file_uploader("Files" if upload is None else "Add files", DATA_TYPES, accept_multiple_files=True,
                             max_upload_size=uploads.most_megabytes(), key=f"data_files_{number}",
                             label_visibility="collapsed")
    if found:
        with told():
            contents = [(file.name, file.getvalue()) for file in found]
            taken = uploads.keep(contents, actor=actor, now=state.now()) if upload is None else \
                uploads.add(upload.token, contents, actor=actor)
            _looked.clear()
            st.session_state[TAKEN] = taken.token
            st.session_state[ROUND] = number + 1
            st.rerun()


@st.cache_data(max_entries=32, ttl="1h", show_spinner="Looking at the files")
def _looked(token: str, _actor: Actor) -> Look:
    """The files at first sight, looked at once; a token is known to its owner alone."""
    return intake.look_at(uploads.opened(token, actor=_actor), actor=_actor)


def _files(upload: Upload, look: Look, actor: Actor) -> None:
    """What was brought: each file with its first rows, or with why it cannot be read."""
    with card("Your files"):
        for seen in look.files:
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
    return f"{megabytes:,.1f} MB" if megabytes >= 0.1 else f"{1024 * megabytes:,.0f} kB"


# ---------------------------------------------------------------------------------------------------- settings

def _adapter(upload: Upload, look: Look) -> str:
    """How the files are read: as their columns show, or as the person says."""
    names = list(engine.ADAPTERS)
    if look.why:
        st.info("No reader knows these columns by itself: say below which is what.", icon=":material/info:")
        with st.expander("What each reader looks for", type="compact", key=f"data_why_{upload.token}"):
            st.caption(escaped(look.why))
    guessed = look.adapter or "table"
    return st.selectbox("Read them as", names, names.index(guessed), key=f"data_adapter_{upload.token}",
                        format_func=lambda name: f"{name}: {engine.ADAPTERS[name].describes}"
                                                 f"{' (recognised)' if name == look.adapter else ''}")


def _asked(upload: Upload, adapter: str) -> dict[str, Any] | None:
    """What the dataset is called and what the file does not say; what `run` is asked, once it has been sent."""
    taken = f"_data_asked_{upload.token}"
    with card("What the files do not say"), st.form(f"data_ask_{upload.token}", border=False, enter_to_submit=False):
        with st.grid(4, min_column_width=200):
            name = st.text_input("Name of the dataset", _slug(upload.sources[0].stem), key=f"data_name_{upload.token}",
                                 help="Small letters, digits, - and _. A name that is taken gets a new version.")
            drawn = st.date_input("Drawn on", None, key=f"data_drawn_{upload.token}", format="YYYY-MM-DD",
                                  help="The day up to which the files know everything. Empty: the last event's, or "
                                       "today.")
            days = st.number_input("Leaving within [days]", 1, 3660, None, key=f"data_days_{upload.token}",
                                   placeholder="by the kind of file", help="The window that the answer speaks of.")
            currency = st.selectbox("Currency", CURRENCIES, None, key=f"data_currency_{upload.token}",
                                    placeholder="as in the file", accept_new_options=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            sent = st.form_submit_button("Check the files", type="primary", icon=":material/fact_check:")
            quick = st.toggle("Quick look", key=f"data_quick_{upload.token}",
                              help="Fewer folds and replicates: a model in a fraction of the time, rougher figures.")
    if sent:
        st.session_state[taken] = {"name": name.strip(), "adapter": adapter, "quick": quick, "currency": currency or "",
                                   "drawn": drawn, "days": days}
    asked: dict[str, Any] | None = st.session_state.get(taken)
    return asked


def _slug(stem: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:40] or "acme"


# ------------------------------------------------------------------------------------------------------- check

def _check(upload: Upload, asked: dict[str, Any], actor: Actor) -> None:
    """What would be found, live, and the way on when nothing stands in it."""
    with told():
        preview = _checked(upload, asked, actor)
        with card("What was found"):
            _summary(preview, asked)
            components.findings(preview.findings[:MOST_SHOWN])
            if not preview.findings:
                st.caption("Nothing that a person should know.")
            _train(upload, asked, preview, actor)


def _checked(upload: Upload, asked: dict[str, Any], actor: Actor) -> Preview:
    """The findings, made once for the same files and answers."""
    mapping = upload.mapping.read_text(encoding="utf-8") if upload.mapping and asked["adapter"] == "table" else ""
    key = (upload.token, len(upload.sources), mapping, *(str(value) for value in asked.values()))
    kept = st.session_state.get(CHECKED)
    if kept is None or kept[0] != key:
        with st.spinner("Reading and checking"):
            found = intake.check(upload.sources, name=asked["name"], adapter=asked["adapter"], actor=actor,
                                 now=state.now(), observed_until=_moment(asked), options=_options(upload, asked))
        kept = st.session_state[CHECKED] = (key, found)
    return kept[1]


def _moment(asked: dict[str, Any]) -> datetime | None:
    return datetime.combine(asked["drawn"], time()) if asked["drawn"] else None


def _options(upload: Upload, asked: dict[str, Any]) -> dict[str, Any]:
    told = {"horizon_days": asked["days"], "currency": asked["currency"],
            "mapping": upload.mapping if asked["adapter"] == "table" else None}
    return {name: value for name, value in told.items() if value}


def _summary(preview: Preview, asked: dict[str, Any]) -> None:
    dataset = preview.reading
    if _errors(preview.findings):
        st.markdown(":material/error: **The files cannot be learned from yet.** What stands at the head below is to be "
                    "mended first.")
    if dataset is None:
        return
    left = share(preview.left) if preview.left is not None else "unknown"
    with st.grid(4, min_column_width=150):
        st.metric("Customers", f"{preview.customers:,}")
        st.metric("Left", left, help=dataset.label.words)
        st.metric("Known up to", f"{dataset.observed_until:%Y-%m-%d}")
        st.metric("Rejected rows", f"{preview.rejected:,}")
    st.caption(escaped(f"{asked['name']} · {dataset.sector} · {dataset.currency or 'currency unknown'} · leaving "
                       f"means: {dataset.label.words}"))


def _train(upload: Upload, asked: dict[str, Any], preview: Preview, actor: Actor) -> None:
    if preview.reading is not None and not preview.learnable and not _errors(preview.findings):
        st.error("The files do not say who left, so nothing can be learned from them. Bring files with that answer, or "
                 "score them with a model that is there: `python -m engine score`.", icon=":material/error:")
    if st.button("Train", key=f"data_start_{upload.token}", type="primary", icon=":material/model_training:",
                 disabled=not preview.learnable):
        engine.start_job(command(upload, asked), asked["name"], actor=actor, now=state.now())
        st.rerun()


def _errors(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def command(upload: Upload, asked: dict[str, Any]) -> list[str]:
    """What the job runs: the same verb as in a shell."""
    sources = [word for path in upload.sources for word in ("--source", str(path))]
    options = {"--mapping": str(upload.mapping) if upload.mapping and asked["adapter"] == "table" else "",
               "--as-of": asked["drawn"].isoformat() if asked["drawn"] else "",
               "--horizon-days": str(asked["days"] or ""), "--currency": asked["currency"]}
    told = [word for name, value in options.items() if value for word in (name, value)]
    return ["run", *sources, "--name", asked["name"], "--adapter", asked["adapter"], *told,
            *(["--quick"] if asked["quick"] else [])]
