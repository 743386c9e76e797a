"""The app as a test drives it: through its own entry and navigation, signed in as somebody, without a browser."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.schema import Actor

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


def open_app(monkeypatch: pytest.MonkeyPatch, role: str = "manager", page: str = "", **query: str) -> AppTest:
    """The app after its first run, on the screen with that file name ("customer_lookup.py"), signed in in that role."""
    import ui.session

    monkeypatch.setattr(ui.session, "signed_in", lambda: Actor("ana", role))
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    app = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=SECONDS)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if page:
        app.switch_page(str(ROOT / "pages" / page)).run()
    return app


def words(app: AppTest) -> str:
    """Everything the screen says, as one text; spaces at which no line may end are plain ones."""
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error,
             app.success)
    metrics = [f"{metric.label} {metric.value} {metric.delta}" for metric in app.metric]
    told = "\n".join([*(element.value for kind in kinds for element in kind), *metrics])
    return told.replace("\N{NO-BREAK SPACE}", " ")


def healthy(app: AppTest) -> AppTest:
    """The app, if no exception reached the screen."""
    assert not app.exception, [str(problem.value) for problem in app.exception]
    return app
