"""What is under way on the screen Data: progress that follows the work, its end, and the list of jobs.

The strip at the top looks every second or two while something is under way, and every few seconds otherwise; the whole
screen is drawn anew only when something has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import streamlit as st

import engine
from engine import watch
from engine.progress import Progress
from engine.schema import Actor, plural
from engine.watch import Work
from ui import session, state
from ui.components import empty, escaped, told
from ui.navigation import BY_URL

Colour = Literal["green", "red", "gray", "blue"]

BUSY_SECONDS, QUIET_SECONDS = 1.5, 4.0
PULSE = "_data_pulse"
DAY_HOURS = 24
LONG_SECONDS = 100
MOST_ENDS, MOST_JOBS = 3, 30
VERBS = {"run": "Reading, learning and scoring", "train": "Learning and scoring", "demo": "Making the demo company",
         "onboard": "Reading, learning and scoring", "score": "Scoring", "erase": "Erasing", "restore": "Restoring",
         "models": "Comparing or choosing models", "correct": "Trying a correction"}
ENDS: Mapping[str, tuple[str, Colour, str]] = {
    "done": (":material/check_circle:", "green", "done"), "failed": (":material/error:", "red", "failed"),
    "cancelled": (":material/cancel:", "gray", "cancelled"), "queued": (":material/schedule:", "gray", "waiting"),
    "running": (":material/progress_activity:", "blue", "running"),
}


def note_pulse(actor: Actor) -> None:
    """Remember what the whole screen is about to be drawn from."""
    st.session_state[PULSE] = watch.pulse(actor)


def strip(actor: Actor) -> None:
    """All work under way, and how this person's latest jobs ended."""
    busy = bool(watch.under_way(actor))
    st.fragment(_strip, run_every=BUSY_SECONDS if busy else QUIET_SECONDS)()


def _strip() -> None:
    actor = session.signed_in()
    if actor is None or watch.pulse(actor) != st.session_state.get(PULSE):
        st.rerun()
    for work in watch.under_way(actor):
        _at_work(work, actor)
    for job in _ends(actor):
        _ended(job, actor)


def _at_work(work: Work, actor: Actor) -> None:
    """One piece of work: who does what since when, how far it is, and a way to stop it."""
    with st.container(border=True, key=f"data_work_{work.dataset}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_title(work.dataset, work.verb), width="stretch")
            if work.job is not None and engine.may(actor, "cancel") and \
                    st.button("Cancel", key=f"data_cancel_{work.job}", icon=":material/stop_circle:"):
                with told():
                    engine.cancel_job(work.job, actor=actor, now=state.now())
                    st.rerun()
        if work.job is not None:
            st.progress(work.at.share if work.at else 0.0, _told(work.at))
        where = "in a shell" if work.job is None else f"job {work.job}"
        st.caption(escaped(f"Started by {work.who} {ago(work.since)}, {where}. Leaving or reloading does not stop it."))


def _title(dataset: str, verb: str) -> str:
    return f"**{escaped(dataset)}** · {VERBS.get(verb, verb.capitalize())}"


def _told(at: Progress | None) -> str:
    """The step in words: which of how many, and how much of it is done."""
    if at is None:
        return "Starting"
    part = f", {100 * at.part:.0f} % of it" if at.part else ""
    return f"Step {min(at.done + (at.seconds is None), at.of)} of {at.of}: {at.step}{part}"


def _ends(actor: Actor) -> list[dict[str, Any]]:
    """Of each dataset the actor's own latest job that has ended within a day, unless it is dismissed."""
    found = [job for job in engine.describe_jobs(actor, MOST_ENDS) if job["actor"] == actor.id and _is_fresh(job)]
    latest: dict[str, dict[str, Any]] = {}
    for job in found:
        if job["status"] in ("done", "failed"):
            latest.setdefault(job["dataset"], job)
    return [job for job in latest.values() if _name(job) not in state.dismissed(actor)]


def _is_fresh(job: dict[str, Any]) -> bool:
    return (state.now() - datetime.fromisoformat(job["at"])).total_seconds() < DAY_HOURS * 3600


def _name(job: dict[str, Any]) -> str:
    return f"{job['actor']}: job {job['job_id']} of {job['at']}"


def _ended(job: dict[str, Any], actor: Actor) -> None:
    """How a job ended: where to go now, or what to do about it."""
    icon, colour, _ = ENDS[job["status"]]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"data_end_{job['job_id']}"):
        words = "is ready" if job["status"] == "done" else f"was not learned from: {job['error']}"
        took = f" :gray[{_took(job)}]" if _took(job) else ""
        st.markdown(f":{colour}[{icon}] **{escaped(job['dataset'])}** {escaped(words)}{took}", width="stretch")
        if job["status"] == "done":
            open_link(job["dataset"], f"data_open_job_{job['job_id']}")
        st.button("Dismiss", key=f"data_dismiss_{job['job_id']}", type="tertiary", on_click=state.dismiss,
                  args=(actor, _name(job)))


def open_link(name: str, key: str) -> None:
    """The way to the dataset's overview, where there is one."""
    if state.here() and st.button("Open the overview", key=key, type="tertiary", icon=":material/dashboard:",
                                  on_click=_look_at, args=(name,)):
        st.switch_page(BY_URL["overview"].path, query_params={})  # without, it would clear bound ones, and refuse


def _look_at(name: str) -> None:
    """Choose the dataset in the list at the side; a link would leave the one before in the address too."""
    st.session_state["dataset"] = name


def jobs(actor: Actor) -> None:
    """The latest jobs of everybody, with why they failed."""
    found = engine.describe_jobs(actor, MOST_JOBS)
    if not found:
        empty("No jobs yet.", "Training started here, or with `python -m engine start`, is listed with how it ended.")
    for job in found:
        icon, colour, words = ENDS[job["status"]]
        with st.container(border=True, key=f"data_job_{job['job_id']}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.badge(words, icon=icon, color=colour)
                st.markdown(_title(job["dataset"], job["verb"]), width="stretch")
                told = [f"job {job['job_id']}", job["actor"], ago(datetime.fromisoformat(job["at"])), _took(job)]
                st.caption(escaped(" · ".join(filter(None, told))), width="content")
            if job["error"]:
                st.caption(escaped(job["error"]))


def _took(job: Mapping[str, Any]) -> str:
    """How long a job ran; "" where nobody knows, or while it does.

    >>> _took({"seconds": 56.2}), _took({"seconds": 0.4}), _took({"seconds": 190}), _took({"seconds": None})
    ('took 56 s', 'took 1 s', 'took 3 min', '')
    """
    seconds = job["seconds"]
    if seconds is None:
        return ""
    return f"took {max(seconds, 1):.0f} s" if seconds < LONG_SECONDS else f"took {seconds / 60:.0f} min"


def ago(moment: datetime) -> str:
    """How long ago in words, or the day."""
    minutes = int((state.now() - moment).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60 * DAY_HOURS:
        return f"{plural(minutes, 'minute') if minutes < 60 else plural(minutes // 60, 'hour')} ago"
    return f"on {moment:%d %b %Y}"
