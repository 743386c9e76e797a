"""The screen Data: who sees what, bringing one's own file, jobs and their ends, erasure, and what breaks meanwhile."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import engine
from engine import catalog, erasure, jobs, locks, onboarding, state, uploads
from engine.data.demo import DEMOS
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words
from tests.traces import contacts, leave_traces
from ui.navigation import SCREENS

PAGE = "data.py"
pytestmark = pytest.mark.slow  # each opens the whole app; test_actions and others keep the quick ones
ANA, BEN, ROOT = Actor("ana", "manager"), Actor("ben", "manager"), Actor("root", "admin")
BRING = "Bring your own"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one small shop, scored by hand; copied for each test."""
    home = tmp_path_factory.mktemp("data-page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(home))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        leave_traces(home, datetime(2024, 6, 1))
        for upload in uploads.every():
            uploads.remove(upload)
    return home


@pytest.fixture
def shop(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home."""
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()
    place = shutil.copytree(made, tmp_path / "shop")
    monkeypatch.setenv("HOLDFAST_HOME", str(place))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return place


@pytest.fixture(scope="module")
def telco(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A telecom's customers file of 600 rows."""
    files = DEMOS["demo-telecom"].write(tmp_path_factory.mktemp("telco"), 3, 600).sources
    return next(path for path in files if path.name == "customers.csv").read_bytes()


def opened(monkeypatch: pytest.MonkeyPatch, role: str = "manager", **query: str) -> AppTest:
    """The screen with the dataset's details open."""
    app = open_app(monkeypatch, role, PAGE, **query)
    app.session_state["data_details_acme"] = True
    return healthy(app.run())


def keys(app: AppTest) -> set[str]:
    """The keys of all buttons."""
    return {str(button.key) for button in app.button}


def said(app: AppTest) -> str:
    """Everything the screen says, without the marks that escape it."""
    return words(app).replace("\\", "")


def start(code: str, name: str = "acme", actor: Actor = ANA, verb: str = "train") -> int:
    """A job of a dataset that runs a piece of Python."""
    return jobs.start([verb, "--dataset", name], name, actor, datetime.now().replace(microsecond=0),  # noqa: DTZ005
                      command=[sys.executable, "-c", code])


# --- who sees what


@pytest.mark.parametrize(("role", "sees", "does"), [
    ("executive", {"Versions and runs", "Models", "Findings", "Rejected rows"}, set()),
    ("marketer", {"Versions and runs", "Models", "Findings", "Rejected rows"}, {"data_prepare_acme"}),
    ("manager", {"Versions and runs", "Models", "Findings", "Rejected rows"}, {"data_prepare_acme", "data_train_acme"}),
    ("admin", {"Versions and runs", "Models", "Findings", "Rejected rows", "Erase"},
     {"data_prepare_acme", "data_train_acme"}),
])
def test_each_role_sees_what_it_may(shop: Path, monkeypatch: pytest.MonkeyPatch, role: str, sees: set[str],
                                    does: set[str]) -> None:
    app = opened(monkeypatch, role)
    assert {tab.label for tab in app.tabs} == sees
    assert keys(app) & {"data_prepare_acme", "data_train_acme"} == does
    assert (BRING in str(app.button_group[0].options)) == (role in ("manager", "admin"))
    assert "1 dataset, invented, with 300 customers in all" in said(app)
    assert any(label in said(app) for label in ("Customers 300",))
    assert "many" not in said(app), "A customer's cell is shown."


def test_findings_and_rejected_rows_are_told(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, "marketer")
    assert "2 rows belong to nobody" in said(app)
    [reasons] = [frame.value for frame in app.dataframe if "Reason" in frame.value]
    assert reasons["Reason"].tolist() == ["quantity is not a number"] and reasons["Rows"].tolist() == [1]
    healthy(app.button(key="data_prepare_acme").click().run())
    written = app.session_state[f"_data_rejected_acme_{catalog.dataset('acme').version}"]
    assert b"quantity: 'many' is not a number" in written
    assert [entry.detail["rejected"] for entry in state.audit_log(verb="export")] == [1]


def test_without_data_a_manager_brings_and_others_read_how(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE))
    assert app.file_uploader and "No dataset in use yet" in said(app)
    app = healthy(open_app(monkeypatch, "executive", PAGE))
    assert not app.file_uploader and "python -m engine run" in said(app)


# --- one's own file


def brought(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> AppTest:
    """The screen after a file was dropped on it."""
    app = open_app(monkeypatch, "manager", PAGE, data_view=BRING)
    return healthy(app.file_uploader[0].upload(name, content, "text/csv").run())


def field(app: AppTest, start_of_key: str, kind: str = "text_input") -> Any:
    """The widget whose key begins so; the rest of it is the upload's token."""
    return next(widget for widget in getattr(app, kind) if str(widget.key).startswith(start_of_key))


def test_a_file_is_recognised_examined_and_trained_on(shop: Path, monkeypatch: pytest.MonkeyPatch, telco: bytes
                                                       ) -> None:
    asked: list[tuple[list[str], str, str]] = []
    monkeypatch.setattr(engine, "start_job", lambda args, name, *, actor, now: asked.append((args, name, actor.id)))
    app = brought(monkeypatch, "Kunden <Mai>.csv", telco)
    upload = uploads.latest(actor=ANA)
    assert upload and [path.name for path in upload.sources] == ["Kunden_Mai.csv"]
    assert "One row per customer, with who has left" in said(app)
    field(app, "data_name_").set_value("beta")
    field(app, "data_days_", "number_input").set_value(30)
    app = healthy(app.run())
    assert "Customers 600" in said(app) and [dataset.name for dataset in catalog.datasets()] == ["acme"]
    healthy(field(app, "data_start_", "button").click().run())
    [(args, name, actor)] = asked
    assert (name, actor) == ("beta", "ana") and upload.mapping
    assert args == ["onboard", str(upload.sources[0]), "--name", "beta", "--mapping", str(upload.mapping), "--yes",
                    "--horizon-days", "30"]


def test_the_name_that_was_given_outlives_a_cancelled_job(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                          telco: bytes) -> None:
    app = brought(monkeypatch, "june.csv", telco)
    assert field(app, "data_name_").value == "june"
    app = healthy(field(app, "data_name_").set_value("beta").run())
    with monkeypatch.context() as meanwhile:
        running = SimpleNamespace(status="running", dataset="beta", id=0)
        meanwhile.setattr("ui.uploads.watch.job_of", lambda _upload: running)
        app = healthy(app.run())
        assert "beta is being learned" in said(app)
    assert field(healthy(app.run()), "data_name_").value == "beta"


def test_files_without_an_answer_are_scored_or_kept_and_may_be_looked_at_anew(
        shop: Path, monkeypatch: pytest.MonkeyPatch, telco: bytes) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(engine, "start_job", lambda args, name, *, actor, now: asked.append(args))
    unanswered = pd.read_csv(io.BytesIO(telco), dtype=str).drop(columns="Churn").to_csv(index=False)
    app = brought(monkeypatch, "june.csv", unanswered.encode())
    assert field(app, "data_start_", "button").label == "Keep" and "do not say who left" in said(app)
    assert not [toggle for toggle in app.toggle if str(toggle.key).startswith("data_anew_")]
    healthy(field(app, "data_start_", "button").click().run())
    assert asked and asked[0][0] == "onboard"


def test_a_reload_keeps_the_files_and_a_colleague_never_sees_them(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  telco: bytes) -> None:
    brought(monkeypatch, "ours.csv", telco)
    again = healthy(open_app(monkeypatch, "manager", PAGE, data_view=BRING))
    assert any("ours.csv" in expander.label for expander in again.expander)
    import ui.session

    monkeypatch.setattr(ui.session, "signed_in", lambda: BEN)
    other = AppTest.from_file(str(Path(__file__).resolve().parents[2] / "ui" / "main.py"), default_timeout=60)
    other.query_params["data_view"] = BRING
    other.run()
    other.switch_page(str(Path(__file__).resolve().parents[2] / "pages" / PAGE)).run()
    assert other.file_uploader and not any("ours.csv" in expander.label for expander in healthy(other).expander)
    monkeypatch.setattr(ui.session, "signed_in", lambda: ANA)
    healthy(again.button(key="data_drop").click().run())
    assert uploads.every() == [] and again.file_uploader


def test_what_is_wrong_with_a_file_is_told(shop: Path, monkeypatch: pytest.MonkeyPatch, telco: bytes) -> None:
    app = brought(monkeypatch, "empty.csv", b"")
    assert "empty.csv is empty" in said(app)
    app = brought(monkeypatch, "broken.parquet", b"PAR1 and nothing")
    assert "not a whole Parquet file" in said(app)
    healthy(app.button(key="data_drop").click().run())
    everyone_stayed = telco.replace(b",Yes,", b",No,")
    app = brought(monkeypatch, "stayed.csv", everyone_stayed)
    assert field(app, "data_start_", "button").label == "Keep" and "The files do not say who left" in said(app)


@pytest.fixture
def saas() -> bytes:
    """800 accounts of a software company: a quarter has gone, 40 rows have blanks around the plan."""
    rows = [f"{n:04d},{n % 60 + 1},{'gone' if n % 4 == 0 else 'here'},{20 + n % 7},{' pro ' if n % 20 == 0 else 'pro'}"
            for n in range(800)]
    return "\n".join(["client,months,status,fee,plan", *rows]).encode()


def test_what_each_column_is_is_proposed_and_may_be_said_otherwise(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                                   saas: bytes) -> None:
    app = brought(monkeypatch, "saas.csv", saas)
    assert "Customers 800" in said(app) and "Left 25.0 %" in said(app)
    proposed = {role: field(app, f"data_part_{role}_", "selectbox").value for role in ("id", "label", "tenure")}
    assert proposed == {"id": "client", "label": "status", "tenure": "months"}
    app = healthy(field(app, "data_positive_", "multiselect").set_value(["here"]).run())
    assert "Left 75.0 %" in said(app)
    app = healthy(field(app, "data_part_label_", "selectbox").set_value("months").run())
    assert "which values of months mean" in said(app) and field(app, "data_part_id_", "selectbox").value == "client"
    app = healthy(field(app, "data_positive_", "multiselect").set_value([str(month) for month in range(1, 16)]).run())
    assert "Left 26.2 %" in said(app) and field(app, "data_start_", "button").label == "Train"
    app = healthy(field(app, "data_part_label_", "selectbox").set_value("").run())
    assert "Left unknown" in said(app) and field(app, "data_start_", "button").label == "Keep"
    assert "The files do not say who left" in said(app)
    app = healthy(field(app, "data_back_", "button").click().run())
    assert "Left 25.0 %" in said(app) and field(app, "data_start_", "button").label == "Train"


def test_a_cure_may_be_refused_and_the_mapping_written_by_hand(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                               saas: bytes) -> None:
    app = brought(monkeypatch, "saas.csv", saas)
    assert "40 cells" in said(app)
    text = field(app, "data_toml_", "text_area")
    assert 'cure = "strip"' in text.value
    app = healthy(field(app, "data_cure_", "toggle").set_value(False).run())
    assert 'cure = "strip"\noff = true' in field(app, "data_toml_", "text_area").value, "What was declined is kept so."
    app = healthy(field(app, "data_toml_", "text_area").set_value(
        field(app, "data_toml_", "text_area").value.replace('"gone"', '"here"')).run())
    app = healthy(field(app, "data_use_", "button").click().run())
    assert "Left 75.0 %" in said(app)
    app = healthy(field(app, "data_toml_", "text_area").set_value("id = ").run())
    app = healthy(field(app, "data_use_", "button").click().run())
    assert "is not valid TOML" in said(app)


def kept_of(folder: Path, saas: bytes) -> None:
    """A dataset ours of the same columns, read as a person wanted: no tenure, no cure, within 60 days."""
    path = folder / "clients.csv"
    path.write_bytes(saas)
    first = onboarding.propose([path], name="ours", actor=ANA, now=datetime(2024, 6, 1), options={"horizon_days": 60})
    assert [cure.on for cure in first.cures] == [True]
    agreed = onboarding.amended(first, parts={"tenure": ""}, cures={0: False})
    onboarding.keep(agreed, actor=ANA, now=datetime(2024, 6, 1))


def test_next_months_file_is_proposed_under_the_name_it_is_known_by(
        shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saas: bytes) -> None:
    kept_of(tmp_path, saas)
    app = brought(monkeypatch, "saas_2024-07.csv", saas)
    assert field(app, "data_name_").value == "ours"
    assert "This looks like newer data of ours (5 of 5 columns)." in said(app) and "Since the last file" in said(app)
    assert field(app, "data_days_", "number_input").placeholder == "60, as agreed"
    app = healthy(field(app, "data_name_").set_value("theirs").run())
    assert "newer data of ours (5 of 5 columns); under another name it becomes a dataset of its own" in said(app)
    assert "Since the last file" not in said(app)
    healthy(app.button(key="data_drop").click().run())
    app = brought(monkeypatch, "other.csv", saas.replace(b"client,months", b"shop,shelves"))
    assert field(app, "data_name_").value == "other" and "newer data" not in said(app)


def test_the_fields_show_what_is_proposed_under_the_name_and_what_was_said_of_that(
        shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saas: bytes) -> None:
    kept_of(tmp_path, saas)

    def shown(app: AppTest) -> tuple[str, bool, str]:
        """The tenure and the cure as the fields show them, and the mapping."""
        return (field(app, "data_part_tenure_", "selectbox").value, field(app, "data_cure_", "toggle").value,
                field(app, "data_toml_", "text_area").value)

    def agrees(app: AppTest) -> bool:
        tenure, cured, mapping = shown(app)
        return (f'tenure = "{tenure}"' in mapping) == bool(tenure) and ("off = true" in mapping) == (not cured)

    app = brought(monkeypatch, "saas.csv", saas)
    assert shown(app)[:2] == ("", False) and agrees(app)
    app = healthy(field(app, "data_name_").set_value("theirs").run())
    assert shown(app)[:2] == ("months", True) and agrees(app), "Looked at afresh."
    app = healthy(field(app, "data_cure_", "toggle").set_value(False).run())
    app = healthy(field(app, "data_name_").set_value("somebody").run())
    assert shown(app)[:2] == ("months", False) and agrees(app), "The same is proposed, so what was said of it holds."
    app = healthy(field(app, "data_name_").set_value("ours").run())
    assert shown(app)[:2] == ("", False) and agrees(app)
    app = healthy(field(app, "data_part_tenure_", "selectbox").set_value("months").run())
    assert shown(app)[:2] == ("months", False) and agrees(app)
    app = healthy(app.button_group[0].set_value(["Jobs"]).run())
    app = healthy(app.button_group[0].set_value([BRING]).run())
    assert shown(app)[:2] == ("months", False) and agrees(app), "Looking elsewhere meanwhile changes nothing."
    rewritten = shown(app)[2].replace('tenure = "months"', 'recency = "months"')
    app = healthy(field(app, "data_toml_", "text_area").set_value(rewritten).run())
    app = healthy(field(app, "data_use_", "button").click().run())
    assert shown(app)[0] == "" and field(app, "data_part_recency_", "selectbox").value == "months" and agrees(app)
    app = healthy(field(app, "data_part_recency_", "selectbox").set_value("").run())
    assert "recency" not in shown(app)[2], "What was written may be said otherwise again."
    app = healthy(field(app, "data_back_", "button").click().run())
    assert shown(app)[:2] == ("", False) and agrees(app) and "recency" not in shown(app)[2]


def test_the_window_that_is_taken_is_said_before_anything_is_learned(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                                     saas: bytes) -> None:
    app = brought(monkeypatch, "saas.csv", saas)
    unsaid = ("The file does not say within how many days they left: 91 days are taken. Every figure of money hangs on "
              "it.")
    assert said(app).count(unsaid) == 1 and unsaid in app.info[0].value.replace("\\", "")
    assert field(app, "data_days_", "number_input").placeholder == "91 are taken"
    app = healthy(field(app, "data_days_", "number_input").set_value(30).run())
    assert "within how many days" not in said(app)
    assert "horizon_days = 30" in field(app, "data_toml_", "text_area").value
    assert field(app, "data_start_", "button").label == "Train"


def test_columns_that_are_kept_from_the_model_have_the_files_own_names(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                                       saas: bytes) -> None:
    head, *rows = saas.decode().splitlines()
    leaking = "\n".join([f"{head},Kündigungsgrund", *(f"{row},{'teuer' if ',gone,' in row else ''}" for row in rows)])
    app = brought(monkeypatch, "saas.csv", leaking.encode())
    assert "**Kündigungsgrund**: A function of the label" in said(app) and "kündigungsgrund" not in said(app)


# --- jobs


def test_work_under_way_is_seen_by_everybody_and_stopped_by_managers(shop: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    number = start("import time; time.sleep(60)")
    try:
        seen = healthy(open_app(monkeypatch, "executive", PAGE))
        assert "Learning and scoring" in said(seen) and f"data_cancel_{number}" not in keys(seen)
        app = healthy(open_app(monkeypatch, "manager", PAGE))
        healthy(app.button(key=f"data_cancel_{number}").click().run())
        assert jobs.status(number).status == "cancelled"
    finally:
        jobs.cancel(number, ROOT, datetime(2024, 6, 1))
    assert f"data_cancel_{number}" not in keys(healthy(app.run()))


def test_work_in_a_shell_is_seen_too(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locks.dataset_lock("other", "run", Actor("ben"), datetime(2024, 6, 1)):
        assert "Started by ben" in said(healthy(open_app(monkeypatch, "executive", PAGE)))


@pytest.mark.parametrize(("code", "says"), [
    ("print('{\"error\": \"The label is missing. Add it.\"}'); raise SystemExit(2)", "The label is missing. Add it."),
    ("1 / 0", "A bug stopped it, not your data. The log is at"),
    ("import os; os.kill(os.getpid(), 9)", "It was killed (signal 9)"),
], ids=["refused", "bug", "killed"])
def test_a_failure_gives_advice_and_no_stack_trace(shop: Path, monkeypatch: pytest.MonkeyPatch, code: str,
                                                   says: str) -> None:
    number = start(code)
    jobs.wait(number, 60)
    for view in ("Datasets", "Jobs"):
        app = healthy(open_app(monkeypatch, "manager", PAGE, data_view=view))
        assert says in said(app) and "Traceback" not in said(app) and "ZeroDivision" not in said(app)
    app = healthy(open_app(monkeypatch, "manager", PAGE))
    healthy(app.button(key=f"data_dismiss_{number}").click().run())
    assert says not in said(app)


def test_of_several_jobs_of_a_dataset_only_the_latest_end_is_told_with_how_long_it_took(
        shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("raise SystemExit(2)", "pass", "import time; time.sleep(2)"):
        number = start(code)
        jobs.wait(number, 60)
    app = healthy(open_app(monkeypatch, "manager", PAGE))
    assert said(app).count("acme** is ready") == 1 and "was not learned from" not in said(app)
    assert "took 2 s" in said(app)
    healthy(app.button(key=f"data_dismiss_{number}").click().run())
    assert "is ready" not in said(app), "The ends before are of no interest any more."
    assert "took 2 s" in said(healthy(open_app(monkeypatch, "manager", PAGE, data_view="Jobs")))


@pytest.mark.parametrize(("code", "lands"), [("pass", True), ("raise SystemExit(2)", False)], ids=["done", "failed"])
def test_who_waits_for_a_dataset_is_taken_to_its_overview(shop: Path, monkeypatch: pytest.MonkeyPatch, telco: bytes,
                                                          code: str, lands: bool) -> None:
    app = brought(monkeypatch, "june.csv", telco)
    number = start(code)
    jobs.wait(number, 60)
    with monkeypatch.context() as meanwhile:
        running = SimpleNamespace(status="running", dataset="acme", id=number)
        meanwhile.setattr("ui.uploads.watch.job_of", lambda _upload: running)
        app = healthy(app.run())
        assert "acme is being learned" in said(app)
    app = healthy(app.run())
    assert ("Which data are here" not in said(app)) == lands
    app = healthy(app.switch_page(str(Path(__file__).resolve().parents[2] / "pages" / PAGE)).run())
    assert "Which data are here" in said(app), "Only once."


def test_training_again_is_refused_while_somebody_is_at_work(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, "manager")
    with locks.dataset_lock("acme", "run", Actor("ben"), datetime(2024, 6, 1)):
        healthy(app.button(key="data_train_acme").click().run())
        assert "acme is being worked on by ben" in said(app)


# --- erasure


def erase_form(app: AppTest, **values: str) -> AppTest:
    """Send one of the two forms of the tab Erase."""
    for key, value in values.items():
        app.text_input(key=f"data_erase_{key}_acme").set_value(value)
    form = "one" if "id" in values else "all"
    return healthy(field(app, f"FormSubmitter:data_erase_{form}_acme", "button").click().run())


def test_an_admin_erases_a_customer_on_the_screen(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = str(contacts(catalog.dataset("acme")).index[0])
    app = opened(monkeypatch, "admin")
    assert "The two ids differ" in said(erase_form(app, id=who, again="x"))
    assert "knows no customer" in said(erase_form(app, id="nobody", again="nobody"))
    app = erase_form(app, id=who, again=who, reason="They asked.")
    assert "The customer has been erased from acme" in said(app) and "A model does not unlearn" in said(app)
    assert who not in catalog.dataset("acme").frame().index and "Customers 299" in said(app)
    healthy(app.button(key="data_erased_seen").click().run())
    assert "has been erased" not in said(app)


def test_an_admin_erases_a_dataset_after_typing_its_name(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, "admin")
    assert "repeat its name exactly" in said(erase_form(app, name="acm"))
    app = erase_form(app, name="acme")
    assert "acme has been erased" in said(app) and catalog.datasets() == []
    assert "There is no dataset" not in said(app)


def test_an_interrupted_erasure_is_offered_to_an_admin(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = str(contacts(catalog.dataset("acme")).index[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "_record", _break_off)
        with pytest.raises(InterruptedError):
            engine.erase_customer("acme", who, reason="", actor=ROOT, now=datetime(2024, 6, 2))
    assert "data_complete_acme" not in keys(healthy(open_app(monkeypatch, "manager", PAGE)))
    app = healthy(open_app(monkeypatch, "admin", PAGE))
    healthy(app.button(key="data_complete_acme").click().run())
    assert erasure.unfinished(ROOT) == [] and "was interrupted" not in said(app)


def _break_off(*_: object) -> None:
    raise InterruptedError


# --- what breaks meanwhile


def test_a_dataset_that_vanishes_is_told_and_the_app_goes_on(shop: Path, monkeypatch: pytest.MonkeyPatch,
                                                             telco: bytes) -> None:
    for folder in ("data", "models"):
        shutil.copytree(shop / folder / "acme", shop / folder / "zeta")
    for record in (shop / "data" / "zeta").rglob("*.json"):
        record.write_text(record.read_text().replace('"acme"', '"zeta"'))
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="zeta"))
    assert app.sidebar.selectbox[0].value == "zeta"
    engine.erase_dataset("zeta", confirm="zeta", reason="", actor=ROOT, now=datetime(2024, 6, 2))
    healthy(app.run())
    assert "There is no dataset zeta any more; this is acme." in said(app)
    assert "There is no dataset zeta any more; this is acme." in said(open_app(monkeypatch, "manager", dataset="zeta"))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "model": lambda home: next((home / "models" / "acme").glob("*/churn.joblib")).unlink(),
    "card": lambda home: next((home / "models" / "acme").glob("*/card.json")).write_text("{"),
    "version": lambda home: (home / "data" / "acme" / catalog.dataset("acme").version / "dataset.json").write_text("{"),
    "run": lambda home: next((home / "data" / "acme" / "runs").glob("*/run.json")).write_text("{"),
}


SPEAK_OF = {"model": [screen.file for screen in SCREENS], "card": [PAGE, "overview.py"], "version": [PAGE],
            "run": [PAGE]}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_gives_advice_everywhere(shop: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    DAMAGES[damage](shop)
    for page in SPEAK_OF[damage]:
        app = healthy(open_app(monkeypatch, "admin", page))
        assert any(words in said(app) for words in ("damaged", "is missing", "is not what was written")), said(app)
        assert "Restore" in said(app) or "restore" in said(app)


# --- the whole way


@pytest.mark.slow
def test_from_a_file_to_scores_on_the_screen(shop: Path, monkeypatch: pytest.MonkeyPatch, telco: bytes) -> None:
    app = brought(monkeypatch, "telco.csv", telco)
    app = healthy(field(app, "data_name_").set_value("beta").run())
    app = healthy(field(app, "data_quick_", "toggle").set_value(True).run())
    app = healthy(field(app, "data_start_", "button").click().run())
    assert "beta is being learned from telco.csv" in said(app)
    [work] = jobs.jobs("beta")
    reloaded = healthy(open_app(monkeypatch, "executive", PAGE))
    assert "Reading, learning and scoring" in said(reloaded), "A reload, or a colleague, sees it too."
    job = jobs.wait(work.id, 600)
    assert job.status == "done", job.error
    app = healthy(open_app(monkeypatch, "manager", PAGE))
    assert "beta** is ready" in said(app) and "2 datasets" in said(app)
    assert uploads.every() == [], "What has been learned from needs no second copy."
    healthy(app.button(key=f"data_open_job_{job.id}").click().run())
    assert app.sidebar.selectbox[0].value == "beta" and "600 customers" in said(app)
