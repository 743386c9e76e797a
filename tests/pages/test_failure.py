"""What a person reads when a screen fails: advice where there is any, else a reference; the log has the place."""

from __future__ import annotations

import logging

import pytest
from streamlit.testing.v1 import AppTest


def advice() -> None:
    """A screen that a person can put right."""
    from engine.errors import EngineError
    from ui.failure import shown

    shown(EngineError("The disk is full: *free* some space."))


def bug() -> None:
    """A screen with a bug in it, whose words quote a customer."""
    from ui.failure import shown

    try:
        int("Mona Lisa")
    except ValueError as problem:
        shown(problem)


def test_advice_is_shown_as_it_is() -> None:
    [told] = AppTest.from_function(advice).run().error
    assert told.value.replace("\\", "") == "The disk is full: *free* some space."


def test_a_bug_is_a_reference_that_the_log_knows(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "holdfast"):
        app = AppTest.from_function(bug).run()
    [told], [kept] = app.error, [line for line in caplog.records if line.name == "holdfast"]
    assert "Mona" not in told.value and "Traceback" not in told.value and not app.exception
    assert kept.getMessage().removeprefix("Failure ") in told.value and kept.exc_info
