"""The launcher: `streamlit run streamlit_app.py`, or `make run`. The app itself is ui/main.py, behind the gate."""

from pathlib import Path

import streamlit as st

from ui.failure import shown
from ui.gate import MIDDLEWARE, ROUTES

app = st.App(Path(__file__).resolve().parent / "ui" / "main.py", middleware=MIDDLEWARE, routes=ROUTES,
             on_script_error=shown)
