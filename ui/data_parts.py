"""What the screen Data is made of: the datasets, each with versions, runs, models, findings, rejected rows, erasure."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date
from typing import Any

import streamlit as st

import engine
from engine import catalog, correcting, erasure, locks
from engine.insight.card_words import algorithm_words, in_own_words
from engine.schema import Actor, plural
from ui import components, state
from ui.components import empty, escaped, told
from ui.data_work import PULSE, open_link

DONE = "_data_erased"
KINDS = {"snapshot": "One row per customer", "orders": "Orders and events", "events": "Subscriptions and use"}
VERSION_HEADS = {"version": "Version", "current": "In use", "as_of": "As of", "customers": "Customers",
                 "erased": "Erased since", "sources": "Files", "at": "Received", "by": "By"}
RUN_HEADS = {"run_id": "Run", "in_use": "In use", "as_of": "Scored as of", "version": "Version", "model_id": "Model",
             "customers": "Customers"}
TRIAL_HEADS = {"rule": "Correction", "did": "What it did", "verdict": "Verdict", "why": "Why", "kept_as": "Kept as",
               "version": "Tried on version", "at": "At", "by": "By"}
MODEL_HEADS = {"model_id": "Model", "stage": "Stage", "algorithm": "Churn model", "ltv": "Value model",
               "as_of": "As of", "rows": "Learned from", "roc_auc": "ROC-AUC (95 %)", "brier": "Brier (95 %)",
               "usable": "Usable"}
TABS = ("Versions and runs", "Models", "Findings", "Rejected rows", "Erase")


def head(datasets: Sequence[dict[str, Any]]) -> None:
    """The screen's question, and in one sentence what is here."""
    st.title("Which data are here, and what was found in them?", anchor=False)
    if not datasets:
        st.markdown("No dataset in use yet: bring your own file, or have the demo companies made with "
                    "`python -m engine demo`.")
        return
    customers, newest = sum(found["customers"] for found in datasets), max(found["as_of"] for found in datasets)
    invented = sum(found["synthetic"] for found in datasets)
    some = f"{invented} of them " if invented < len(datasets) else "all of them " if invented > 1 else ""
    more = f", {some}invented" if invented else ""
    st.markdown(escaped(f"{plural(len(datasets), 'dataset')}{more}, with {plural(customers, 'customer')} in all; the "
                        f"newest knowledge is of {_day(newest)}."))


def listed(datasets: Sequence[dict[str, Any]], actor: Actor) -> None:
    """Every dataset on a card of its own; what is no dataset in use is said below."""
    if not datasets:
        empty("No datasets yet.", "A manager brings the first file under **Bring your own**; a shell does it with "
              "`python -m engine run --source FILE --name acme`.")
    for found in datasets:
        with st.container(border=True, key=f"data_card_{found['name']}"), told():
            _dataset(found, actor)
    _aside(actor)


def _dataset(found: dict[str, Any], actor: Actor) -> None:
    name, models = found["name"], _models_of(found["name"], st.session_state[PULSE], actor)
    production = next((model for model in models if "production" in model["stage"]), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{escaped(name)}**")
        if found["synthetic"]:
            st.badge("Synthetic: an invented company", icon=":material/science:", color="orange")
        st.space("stretch")
        if found["runs"]:
            open_link(name, f"data_open_{name}")
    with st.grid(4, min_column_width=150):
        st.metric("Customers", f"{found['customers']:,}")
        st.metric("Known up to", _day(found["as_of"]))
        st.metric("Scoring runs", f"{found['runs']:,}")
        st.metric("Ranking (ROC-AUC)", production["roc_auc"].split(" ")[0] if production else "no model yet",
                  help=f"Of the model in use, {production['model_id']}: how often it puts a leaver above a stayer, on "
                  f"customers it had not seen; {_interval(production['roc_auc'])}." if production else None)
    st.caption(escaped(f"{KINDS[found['kind']]} · {found['sector']} · {found['currency'] or 'currency unknown'} · "
                       f"leaving means: {found['label']} · read as {found['adapter'].replace('_', ' ')}"))
    with st.expander("Details", key=f"data_details_{name}", type="compact", on_change="rerun") as opened:
        if opened.open:
            with told():
                _details(name, models, actor)


@st.cache_data(max_entries=64, ttl="1h", show_spinner=False)
def _models_of(name: str, pulse: str, _actor: Actor) -> list[dict[str, Any]]:  # noqa: ARG001
    """The dataset's models, read anew when anything has changed: their cards are long."""
    return engine.describe_models(name, _actor)


def _details(name: str, models: Sequence[dict[str, Any]], actor: Actor) -> None:
    versions = engine.describe_versions(name, actor)
    current = next(version for version in versions if version["current"])
    shown = TABS if engine.may(actor, "erase") else TABS[:-1]
    tabs = dict(zip(shown, st.tabs(list(shown), key=f"data_tabs_{name}"), strict=True))
    with tabs["Versions and runs"]:
        newest = sorted(versions, key=lambda version: (version["current"], version["as_of"]), reverse=True)
        _table([_readable(version) for version in newest], VERSION_HEADS, f"data_versions_{name}", "Versions")
        runs = [{**run, "in_use": "yes" if run["in_use"] else ""} for run in engine.describe_runs(name, actor)[::-1]]
        _table(runs, RUN_HEADS, f"data_runs_{name}", "Scoring runs")
        if tried := correcting.trials(name, actor):
            st.caption("Corrections that were tried: the model on corrected events beside the model on the data as "
                       "they came, on the same customers, folds and answers.")
            _table([_trial(trial) for trial in tried], TRIAL_HEADS, f"data_trials_{name}", "Corrections tried")
    with tabs["Models"]:
        _models(name, models, actor)
    with tabs["Findings"]:
        _findings(name, current, models)
    with tabs["Rejected rows"]:
        _rejected(name, current, actor)
    if "Erase" in tabs:
        with tabs["Erase"]:
            _erase(name, actor)


def _readable(version: dict[str, Any]) -> dict[str, Any]:
    return {**version, "as_of": f"{version['as_of']:%Y-%m-%d}", "at": f"{version['at']:%Y-%m-%d %H:%M}",
            "current": "yes" if version["current"] else "no", "sources": ", ".join(version["sources"])}


def _trial(trial: dict[str, Any]) -> dict[str, Any]:
    words = {name: trial[name].replace("_", " ") for name in ("rule", "why")}
    return {**trial, **words, "at": trial["at"][:16].replace("T", " "), "kept_as": trial["kept_as"] or "not kept"}


def _table(rows: Sequence[dict[str, Any]], heads: dict[str, str], key: str, what: str) -> None:
    """Rows under heads for people; nothing but a sentence where there are none."""
    if not rows:
        st.caption(f"{what}: none yet.")
        return
    counts = {head: st.column_config.NumberColumn(format="localized") for name, head in heads.items()
              if type(rows[0][name]) is int}
    st.dataframe([{head: row[name] for name, head in heads.items()} for row in rows], hide_index=True, key=key,
                 alt=what, height="content", column_config=counts)


def _models(name: str, models: Sequence[dict[str, Any]], actor: Actor) -> None:
    """The models, which one is in use, and for managers what to do about it."""
    told = [{**model, "algorithm": algorithm_words(model["algorithm"]), "ltv": algorithm_words(model["ltv"]),
             "roc_auc": _interval(model["roc_auc"]), "brier": _interval(model["brier"]),
             "usable": "yes" if model["usable"] else "no: it knows nothing"} for model in models[::-1]]
    _table(told, MODEL_HEADS, f"data_models_{name}", "Models")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if engine.may(actor, "promote") and len(models) > 1:
            chosen = st.selectbox("Model", [model["model_id"] for model in models[::-1]], key=f"data_model_{name}",
                                  width=220)
            if st.button("Make it the production model", key=f"data_promote_{name}"):
                _do(engine.promote, name, chosen, actor=actor)
            if st.button("Go back to the one before", key=f"data_rollback_{name}"):
                _do(engine.rollback, name, actor=actor)
        if engine.may(actor, "train"):
            quick = st.toggle("Quick look", key=f"data_quick_{name}",
                              help="Fewer folds and replicates: a model in a fraction of the time, rougher figures.")
            if st.button("Train again", key=f"data_train_{name}", icon=":material/model_training:"):
                _do(engine.start_job, ["train", "--dataset", name, *(["--quick"] if quick else [])], name, actor=actor)


def _interval(estimate: str) -> str:
    """An estimate as listings spell it, in the words of the screens.

    >>> _interval("0.848 [0.833, 0.861], n = 7,000")
    '0.848 (0.833 to 0.861)'
    """
    return estimate.partition("], n")[0].replace("[", "(").replace(", ", " to ") + ")"


def _day(day: str) -> str:
    """A day as people write it.

    >>> _day("2025-07-01")
    '01 Jul 2025'
    """
    return f"{date.fromisoformat(day):%d %b %Y}"


def _do(verb: Any, *args: Any, actor: Actor) -> None:
    """Carry out a verb and draw the screen anew; advice where it is refused."""
    with told():
        verb(*args, actor=actor, now=state.now())
        st.rerun()


def _findings(name: str, current: dict[str, Any], models: Sequence[dict[str, Any]]) -> None:
    """What reading and learning found: the production model's findings, or the files' own before there is one."""
    production = next((model["model_id"] for model in models if "production" in model["stage"]), None)
    card = state.card_of(name, production) if production else None
    found = [in_own_words(card, one) for one in card.findings] if card else current["findings"]
    if not found:
        st.caption("Nothing was found that a person should know.")
    components.findings(found)


def _rejected(name: str, current: dict[str, Any], actor: Actor) -> None:
    """Why rows could not be taken; the rows themselves for who may see customers."""
    if not current["rejected"]:
        st.caption("Every row could be taken.")
        return
    _table(current["rejected"], {"reason": "Reason", "rows": "Rows"}, f"data_rejected_{name}", "Rejected rows")
    if engine.may(actor, "contact") and engine.may(actor, "export"):
        key = f"_data_rejected_{name}_{current['version']}"
        if st.button("Prepare the rejected rows", key=f"data_prepare_{name}"):
            with told():
                st.session_state[key] = engine.rejected_file(name, current["version"], actor=actor, now=state.now())
        if key in st.session_state:
            st.download_button("Download the rejected rows", st.session_state[key], key=f"data_download_{name}",
                               file_name=f"{name}-rejected-{secrets.token_hex(4)}.csv", mime="text/csv",
                               on_click="ignore", icon=":material/download:")


# ----------------------------------------------------------------------------------------------------- erasure

def _erase(name: str, actor: Actor) -> None:
    """Two boxes: one customer, or everything; each wants its name typed."""
    with st.grid(2, min_column_width=320):
        with components.card("Erase one customer", "From every version, scoring run, upload and saved list. The audit "
                             "log keeps a keyed hash."):
            _erase_customer(name, actor)
        with components.card("Erase the dataset", "With its versions, runs, models, jobs and saved lists. There is no "
                             "way back."):
            _erase_dataset(name, actor)


def _erase_customer(name: str, actor: Actor) -> None:
    with st.form(f"data_erase_one_{name}", border=False, enter_to_submit=False):
        who = st.text_input("Customer id", key=f"data_erase_id_{name}")
        again = st.text_input("The same id again, to confirm", key=f"data_erase_again_{name}")
        reason = st.text_input("Reason", key=f"data_erase_reason_{name}", help="Kept in the audit log: no names.")
        if st.form_submit_button("Erase the customer", icon=":material/person_remove:"):
            with told(), st.spinner("Erasing"):
                if who.strip() != again.strip():
                    raise engine.EngineError("The two ids differ: nothing was erased.")
                _finish(engine.erase_customer(name, who, reason=reason, actor=actor, now=state.now()), "The customer")


def _erase_dataset(name: str, actor: Actor) -> None:
    with st.form(f"data_erase_all_{name}", border=False, enter_to_submit=False):
        confirm = st.text_input(f"Type {name} to confirm", key=f"data_erase_name_{name}")
        reason = st.text_input("Reason", key=f"data_erase_why_{name}", help="Kept in the audit log.")
        if st.form_submit_button("Erase the dataset", icon=":material/delete_forever:"):
            with told(), st.spinner("Erasing"):
                _finish(engine.erase_dataset(name, confirm=confirm, reason=reason, actor=actor, now=state.now()), name)


def _finish(done: dict[str, Any], what: str) -> None:
    """Forget every answer kept in memory, and say on the next screen what was done."""
    st.cache_data.clear()
    st.cache_resource.clear()
    st.session_state[DONE] = (what, done)
    st.rerun()


def told_of_erasure() -> None:
    """What the last erasure removed, and what it leaves to do."""
    if DONE not in st.session_state:
        return
    what, done = st.session_state[DONE]
    with st.container(border=True, key="data_erased"):
        whole = what == done["dataset"]
        rows = "" if whole else f"{plural(done['rows'], 'row')} in "
        told = f"{what} has been erased{'' if whole else ' from ' + done['dataset']}"
        st.markdown(f":material/check_circle: **{escaped(told)}**: {rows}{plural(len(done['versions']), 'version')}, "
                    f"{plural(done['runs'], 'scoring run')}, {plural(done['uploads'], 'upload')}.")
        for line in done["advice"]:
            st.caption(escaped(line))
        st.button("Understood", key="data_erased_seen", type="tertiary", on_click=st.session_state.pop, args=(DONE,))


def aside() -> dict[str, str]:
    """What is no dataset in use, by name, and why: damaged, or never learned from; not while somebody is at work."""
    return {name: why for name, why in catalog.aside().items() if not locks.is_held(name)}


def _aside(actor: Actor) -> None:
    """What is no dataset in use, or half erased, with what to do."""
    for name, why in aside().items():
        with st.container(border=True, key=f"data_aside_{name}"):
            st.markdown(f":material/warning: **{escaped(name)}** is not in use. {escaped(why)}")
            if engine.may(actor, "erase"):
                with st.popover("Erase it", icon=":material/delete_forever:"):
                    _erase_dataset(name, actor)
    for name in erasure.unfinished(actor) if engine.may(actor, "erase") else ():
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"data_unfinished_{name}"):
            st.markdown(f":material/warning: An erasure in **{escaped(name)}** was interrupted.", width="stretch")
            if st.button("Complete it", key=f"data_complete_{name}"):
                _do(erasure.complete, name, actor=actor)
