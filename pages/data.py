"""Data: which data are here, what was found in them, what is being learned, and how to bring one's own."""

import streamlit as st

import engine
from engine import watch
from ui import data_parts, data_work, session, state
from ui import uploads as bringing
from ui.components import hint

DATASETS, BRING, JOBS = "Datasets", "Bring your own", "Jobs"

actor = session.signed_in()
if actor is None:
    st.rerun()
watch.tidy(state.now())
data_work.note_pulse(actor)

datasets = engine.describe_datasets(actor)
data_parts.head(datasets)
if state.here():
    hint("data", "Bring a file, have it checked, train: its scores are then on every screen. Managers bring, admins "
                 "erase.")
data_work.strip(actor)
data_parts.told_of_erasure()

views = [DATASETS, BRING, JOBS] if engine.may(actor, "onboard") else [DATASETS, JOBS]
first = DATASETS if datasets or data_parts.aside() or BRING not in views else BRING
view = st.segmented_control("Show", views, default=first, required=True, key="data_view", bind="query-params",
                            label_visibility="collapsed")
if view == BRING:
    bringing.bring(actor)
elif view == JOBS:
    data_work.jobs(actor)
else:
    data_parts.listed(datasets, actor)
