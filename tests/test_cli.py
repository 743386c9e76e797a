"""The command line as a user or a program meets it: one JSON object on stdout, progress on stderr, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.__main__ import main
from engine.prediction import store

ROOT = Path(__file__).resolve().parents[1]
ESTIMATE = {"value", "low", "high", "n", "method"}
Verb = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a telecom's file in it, whose way to pay was overwritten when a customer left."""
    path = tmp_path_factory.mktemp("cli")
    _telecom(700).to_csv(path / "telecom.csv", index=False)
    return path


def _telecom(n: int) -> pd.DataFrame:
    """A little telecom in IBM Telco's columns: month-to-month customers leave more, longer ones less."""
    rng = np.random.default_rng(3)
    contract = rng.choice(["Month-to-month", "One year", "Two year"], n, p=[0.6, 0.2, 0.2])
    tenure = rng.integers(0, 72, n)
    charges = rng.uniform(20, 110, n).round(2)
    left = rng.random(n) < 1 / (1 + np.exp(1.2 - 1.8 * (contract == "Month-to-month") + 0.04 * tenure))
    service = ["PhoneService", "MultipleLines", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport",
               "StreamingTV", "StreamingMovies"]
    flags = {name: rng.choice(["Yes", "No"], n) for name in ["Partner", "Dependents", "PaperlessBilling", *service]}
    return pd.DataFrame({
        "customerID": [f"{k:04d}-TEST" for k in range(n)], "gender": rng.choice(["Female", "Male"], n),
        "SeniorCitizen": rng.integers(0, 2, n), "tenure": tenure, **flags, "Contract": contract,
        "InternetService": rng.choice(["DSL", "Fiber optic", "No"], n), "MonthlyCharges": charges,
        "PaymentMethod": np.where(left, "Account closed", rng.choice(["Electronic check", "Mailed check"], n)),
        "TotalCharges": np.where(tenure == 0, " ", (charges * tenure).round(2).astype(str)),
        "Churn": np.where(left, "Yes", "No"),
    })


@pytest.fixture(scope="module")
def verb(folder: Path) -> Iterator[Verb]:
    """Runs a verb of the command line in a home of its own, where "acme" has been run already."""
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "engine", *arguments], cwd=ROOT, capture_output=True, text=True,
                              check=False, env=os.environ | {"HOLDFAST_HOME": str(folder / "home")})

    done = call("run", "--source", str(folder / "telecom.csv"), "--name", "acme", "--quick", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "run.json").write_text(done.stdout, encoding="utf-8")
    yield call


def test_run_prints_one_object_with_all_that_was_found(verb: Verb, folder: Path) -> None:
    told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert told["dataset"] == "acme"
    assert told["rows"] == 700
    (quarantined,) = told["quarantined"]
    assert quarantined["column"] == "payment_method"
    assert "Account closed" in quarantined["reason"]
    assert [step["name"] for step in told["steps"]][:2] == ["Read the files", "Check the data"]
    assert all(step["seconds"] >= 0 for step in told["steps"])
    for subject in ("lightgbm", "one-column rule", "random"):
        for metric in ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "f2", "recall"):
            estimate = told["models"][subject][metric]
            assert set(estimate) == ESTIMATE
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert any("91 days are taken" in finding["what"] for finding in told["findings"])


def test_predict_says_everything_about_one_customer(verb: Verb) -> None:
    asked = verb("predict", "--dataset", "acme", "--customer-id", "0007-TEST", "--json")
    told = json.loads(asked.stdout)
    assert told["customer_id"] == "0007-TEST"
    assert 0 <= told["churn_low"] <= told["churn_probability"] <= told["churn_high"] <= 1
    assert told["churn_risk"] in {"LOW", "MEDIUM", "HIGH"}
    assert told["predicted_ltv"] >= 0
    assert {"ltv_tier", "risk_score", "segment"} <= set(told)
    assert 1 <= len(told["drivers"]) <= 3
    assert 1 <= len(told["actions"]) <= 4


def test_predict_prints_a_card_that_a_person_can_read(verb: Verb) -> None:
    card = verb("predict", "--dataset", "acme", "--random", "--seed", "1").stdout
    for words in ("Chance to leave", "90 % interval", "Risk band", "Predicted LTV", "Composite risk", "Segment", "Why",
                  "Next steps"):
        assert words in card
    assert max(map(len, card.splitlines())) <= 110


def test_score_writes_a_file_and_the_rejected_rows_beside_it(verb: Verb, folder: Path) -> None:
    spoilt = _telecom(50).drop(columns="Churn").astype({"tenure": object})
    spoilt.loc[3, "tenure"] = "soon"
    spoilt.to_csv(folder / "new.csv", index=False)
    asked = verb("score", "--dataset", "acme", "--input", str(folder / "new.csv"), "--output",
                 str(folder / "scored.csv"), "--json")
    told = json.loads(asked.stdout)
    assert (told["rows"], told["rejected"]) == (49, 1)
    scored = pd.read_csv(folder / "scored.csv", dtype={"customer_id": str})
    assert len(scored) == 49
    assert "driver_1" in scored
    rejected = pd.read_csv(told["rejected_output"])
    assert "soon" in rejected["reason"].iloc[0]


def test_an_output_that_cannot_be_written_leaves_nothing(verb: Verb, folder: Path) -> None:
    asked = verb("score", "--dataset", "acme", "--input", str(folder / "telecom.csv"), "--output",
                 str(folder / "telecom.csv" / "scored.csv"))
    assert asked.returncode == 2
    assert verb("score", "--dataset", "acme", "--input", str(folder / "telecom.csv"), "--output", "x.docx"
                ).returncode == 2


@pytest.mark.parametrize("arguments", [
    ("datasets",), ("models", "--dataset", "acme"), ("runs", "--dataset", "acme"), ("audit",), ("jobs",),
    ("dictionary",),
])
def test_every_list_speaks_to_people_and_to_programs(verb: Verb, arguments: tuple[str, ...]) -> None:
    assert verb(*arguments).stdout.strip()
    told = verb(*arguments, "--json")
    assert told.returncode == 0
    assert isinstance(json.loads(told.stdout), dict)


def test_who_reads_no_further_hears_of_no_bug(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "engine", "datasets", "--json"], cwd=ROOT, stdout=writer, text=True,
                          stderr=subprocess.PIPE, check=False, env=os.environ | {"HOLDFAST_HOME": str(tmp_path)})
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_progress_goes_to_stderr_alone(verb: Verb, folder: Path) -> None:
    asked = verb("score", "--dataset", "acme", "--input", str(folder / "telecom.csv"), "--output",
                 str(folder / "again.csv"), "--json")
    assert json.loads(asked.stdout)["rows"] == 700
    assert "Score every customer" in asked.stderr


def test_an_unknown_customer_is_named_with_advice(verb: Verb) -> None:
    asked = verb("predict", "--dataset", "acme", "--customer-id", "7-TEST", "--json")
    assert asked.returncode == 2
    assert "7-TEST" in json.loads(asked.stdout)["error"]


@pytest.mark.parametrize(("arguments", "names"), [
    (["predict", "--json"], "--dataset"), (["--json", "predict"], "--dataset"), (["--json"], "VERB"),
    (["datasets", "--json", "--bogus"], "--bogus"),
    (["run", "--json", "--source", "x.csv", "--name", "x", "--as-of", "soon"], "'soon' is no date"),
])
def test_a_usage_error_is_one_object_too(
    arguments: list[str], names: str, capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert names in json.loads(told.out)["error"]
    with pytest.raises(SystemExit):
        main([word for word in arguments if word != "--json"])
    assert capsys.readouterr().out == "", "people read it on stderr"


def test_a_wrong_word_lists_the_right_ones(verb: Verb, folder: Path) -> None:
    for option, right in (("--algorithm", "lightgbm"), ("--adapter", "telco"), ("--threshold", "capacity")):
        asked = verb("run", "--source", str(folder / "telecom.csv"), "--name", "odd", option, "crystal-ball", "--quick")
        assert asked.returncode == 2, asked.stderr
        assert right in asked.stderr


def test_a_job_runs_the_same_verb_and_can_be_watched(verb: Verb, folder: Path) -> None:
    started = json.loads(verb("start", "--dataset", "later", "--json", "--", "run", "--source",
                              str(folder / "telecom.csv"), "--name", "later", "--quick").stdout)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        job = json.loads(verb("jobs", "--json").stdout)["jobs"][0]
        if job["status"] not in ("queued", "running"):
            break
    assert (job["job_id"], job["status"], job["exit_code"]) == (started["job_id"], "done", 0), job["error"]
    assert job["done"] == job["of"]
    names = [entry["name"] for entry in json.loads(verb("datasets", "--json").stdout)["datasets"]]
    assert names == ["acme", "later"]


def test_what_was_said_of_one_month_holds_for_the_next(verb: Verb, folder: Path) -> None:
    _telecom(400).to_csv(folder / "may.csv", index=False)
    _telecom(420).to_csv(folder / "june.csv", index=False)
    for file, said in (("may.csv", ("--horizon-days", "45", "--currency", "CHF")), ("june.csv", ())):
        done = verb("run", "--source", str(folder / file), "--name", "monthly", "--quick", "--json", *said)
        assert done.returncode == 0, done.stderr
    assert "As monthly was read before: currency, horizon_days." in done.stderr
    told = json.loads(verb("datasets", "--json").stdout)["datasets"]
    (monthly,) = [one for one in told if one["name"] == "monthly"]
    assert (monthly["customers"], monthly["currency"], monthly["horizon_days"]) == (420, "CHF", 45)


def test_what_was_said_of_learning_holds_next_month_until_it_is_said_anew(verb: Verb, folder: Path) -> None:
    def learned(*more: str) -> tuple[dict[str, Any], str]:
        done = verb("run", "--source", str(folder / "telecom.csv"), "--name", "kept", "--quick", "--json", *more)
        assert done.returncode == 0, done.stderr
        return dict(store.card("kept", home=folder / "home").settings), done.stderr

    said = ("--margin-rate", "0.5", "--threshold", "capacity", "--capacity", "0.1", "--class-weight", "--overrule",
            "payment_method")
    first, told = learned(*said)
    assert "was learned" not in told
    again, told = learned()
    assert again == first
    for words in ("margin-rate 0.5", "threshold capacity", "balance class_weight", "overrule payment_method"):
        assert words in told
    changed, told = learned("--margin-rate", "0.4", "--no-balance", "--overrule", "")
    assert (changed["money"]["margin_rate"], changed["line"]["rule"]) == (0.4, "capacity")
    assert (changed["balance"], changed["overrule"]) == ("none", [])
    assert "margin-rate" not in told and "capacity 0.1" in told
    assert changed["algorithm"] == first["algorithm"] == "lightgbm"


def test_onboarding_learns_as_the_model_in_use_and_forgets_overruled_columns_that_are_gone(
    verb: Verb, folder: Path,
) -> None:
    plain = _telecom(700)[["customerID", "tenure", "Contract", "MonthlyCharges", "PaymentMethod", "Churn"]]
    plain.to_csv(folder / "may.csv", index=False)
    plain.drop(columns="PaymentMethod").to_csv(folder / "june.csv", index=False)

    def learned(month: str) -> tuple[dict[str, Any], str]:
        done = verb("onboard", str(folder / f"{month}.csv"), "--name", "plain", "--yes", "--quick", "--json")
        assert done.returncode == 0, done.stderr
        return dict(store.card("plain", home=folder / "home").settings), done.stderr

    learned("may")
    said = verb("train", "--dataset", "plain", "--margin-rate", "0.5", "--overrule", "payment_method", "--quick")
    assert said.returncode == 0, said.stderr
    again, told = learned("may")
    assert (again["money"]["margin_rate"], again["overrule"]) == (0.5, ["payment_method"])
    assert "margin-rate 0.5, overrule payment_method" in told
    june, told = learned("june")
    assert (june["money"]["margin_rate"], june["overrule"]) == (0.5, [])
    assert "margin-rate 0.5." in told
