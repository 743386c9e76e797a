"""One customer's way, in reading order: the raw file in; probability, value, reasons, segment and next steps out.

    onboard(sources)  -> Dataset, findings          read, check, register
    learn(dataset)    -> model_id                   audit, train, judge, store        (prediction/model.py)
    score(dataset)    -> Run                        SCORES and REASONS of every customer, kept
    run(sources)      -> all three, and what a person should know of them
    predict(...)      -> one customer's card        score_file(...) -> a new file's scores

Every verb that changes or reveals something takes `actor` and is refused or recorded here, whoever calls it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine import catalog, files, reports, state
from engine.data import adapters
from engine.data.checks import check, gate
from engine.data.demo import DEMOS
from engine.data.labels import windows_for
from engine.decision.playbooks import Playbook, playbook, playbook_files
from engine.errors import EngineError, choose
from engine.locks import dataset_lock
from engine.permissions import allow
from engine.prediction import model as prediction
from engine.prediction import store
from engine.prediction.model import Model, Scored
from engine.prediction.settings import Settings
from engine.progress import Steps, Told
from engine.schema import Actor, Dataset, Finding, ModelCard, plural

NOTHING: Mapping[str, Any] = {}
DEFAULTS = Settings()
STEPS = 9


def run(sources: Sequence[Path], *, name: str, actor: Actor, now: datetime, adapter: str | None = None,
        observed_until: datetime | None = None, options: Mapping[str, Any] = NOTHING, settings: Settings = DEFAULTS,
        apart: Mapping[str, Path] | None = None, progress: Told | None = None) -> dict[str, Any]:
    """Read a company's files, learn, score every customer, keep it all; returns what `run --json` prints."""
    allow(actor, "run")
    with dataset_lock(name, "run", actor, now):
        steps = Steps(of=STEPS, told=progress)
        dataset, found = onboard(sources, name=name, actor=actor, now=now, adapter=adapter, options=options,
                                 observed_until=observed_until, apart=apart, steps=steps, in_use=False)
        model, card = learn(dataset, settings, actor=actor, now=now, found=found, steps=steps, in_use=False)
        kept = score(dataset, actor=actor, now=now, steps=steps, by=(model, card))
        catalog.use(dataset)
        store.promote(name, card.model_id)
    return reports.of_run(dataset, card, kept, _steps_of(dataset), steps.seconds)


def onboard(sources: Sequence[Path], *, name: str, actor: Actor, now: datetime, adapter: str | None = None,
            observed_until: datetime | None = None, options: Mapping[str, Any] = NOTHING,
            apart: Mapping[str, Path] | None = None, steps: Steps | None = None,
            in_use: bool = True) -> tuple[Dataset, tuple[Finding, ...]]:
    """Read and check the files and make them the dataset's current version (`in_use`); returns it with every finding.

    Raises:
        DataError: when the data cannot be learned from; nothing is registered then.
    """
    allow(actor, "onboard")
    steps = steps or Steps(of=2)
    with catalog.staging(name) as staged:
        with steps("Read the files"):
            reading = adapters.read(sources, staged, adapter, name=name, observed_until=observed_until, now=now,
                                    options=options)
        with steps("Check the data"):
            found = (*reading.findings, *_checked(reading.dataset))
            gate(found)
            dataset = catalog.register(reading, staged, sources, actor=actor, now=now, apart=apart, in_use=in_use)
    state.record(actor, "onboard", name, now, {"version": dataset.version})
    return dataset, found


def _checked(dataset: Dataset) -> list[Finding]:
    """What the checks find; a dataset without a label is checked when it is scored."""
    return [] if dataset.label.kind == "none" else check(dataset, windows_for(dataset, n=1)[0])


def learn(dataset: Dataset, settings: Settings, *, actor: Actor, now: datetime, found: Sequence[Finding] = (),
          steps: Steps | None = None, in_use: bool = True) -> tuple[Model, ModelCard]:
    """Train and judge a model on the dataset, store it and put it to use (`in_use`); returns it and its card."""
    allow(actor, "train")
    model, card = prediction.learn(dataset, settings, found=found, steps=steps or Steps(of=5))
    store.save(model.parts(), card, dataset.name)
    if in_use:
        store.promote(dataset.name, card.model_id)
    state.record(actor, "train", dataset.name, now, {"version": dataset.version, "model_id": card.model_id})
    return model, card


def score(dataset: Dataset, *, actor: Actor, now: datetime, steps: Steps | None = None,
          by: tuple[Model, ModelCard] | None = None) -> catalog.Run:
    """Score every customer as of the moment up to which the data are known, `by` a model or the production one."""
    allow(actor, "score")
    steps = steps or Steps(of=2)
    with steps("Score every customer"):
        model, card = by or production(dataset.name)
        scored = judge(model, card, dataset, dataset.observed_until)
    with steps("Keep the run"):
        rules = _steps_of(dataset)
        kept = catalog.Run.of(dataset, card.model_id, dataset.observed_until, len(scored.scores), repr(rules))
        scores, reasons = (frame.assign(run_id=kept.run_id) for frame in (scored.scores, scored.reasons))
        catalog.save_run(kept, scores, reasons, scored.features, actor=actor, now=now)
    state.record(actor, "score", dataset.name, now, {"run_id": kept.run_id})
    return kept


def production(name: str) -> tuple[Model, ModelCard]:
    """The dataset's production model and its card; its files are checked before anything of them is used."""
    catalog.dataset(name)
    parts, card = store.load(name)
    return Model.of(parts), card


def judge(model: Model, card: ModelCard, dataset: Dataset, as_of: datetime,
          only: Sequence[str] | None = None) -> Scored:
    """Scores and reasons of all customers or of `only` some, with the reason for which one is held back."""
    scored = prediction.score(model, dataset, as_of, only)
    scored.scores["hold_back"] = hold_back(scored, card, _steps_of(dataset))
    return scored


def hold_back(scored: Scored, card: ModelCard, book: Playbook) -> pd.Series:
    """Why no action is advised, per customer; empty where action is allowed."""
    index = scored.scores.index
    if not card.usable:
        return pd.Series("The model knows nothing about who leaves: no ground for action.", index=index)
    if book.minimum_tenure_column not in scored.features:
        return pd.Series("", index=index)
    least, words = book.minimum_tenure_months, f"below the {book.minimum_tenure_months:g} that action takes."
    tenure = scored.features[book.minimum_tenure_column].to_numpy(dtype=float)
    return pd.Series([f"Tenure is {plural(int(months), 'month')}, {words}" if months < least else ""
                      for months in tenure], index=index)


def _steps_of(dataset: Dataset) -> Playbook:
    """The playbook of the dataset's sector; the shop's where the sector has none yet."""
    return playbook(dataset.sector if dataset.sector in playbook_files() else "retail")


def predict(name: str, customer_id: str | None, *, actor: Actor, now: datetime,
            seed: int | None = None) -> dict[str, Any]:
    """One customer's card, computed now by the same functions as the batch; any customer when no id is given.

    Raises:
        EngineError: if the dataset does not know the customer, or knew too little to judge at its moment.
    """
    allow(actor, "predict")
    dataset = catalog.dataset(name)
    model, card = production(name)
    who = customer_id or _anyone(name, np.random.default_rng(now.second if seed is None else seed))
    if who not in dataset.frame().index:
        raise EngineError(f"{name} has no customer {who!r}. Ids are compared as text, zeros included; try --random.")
    scored = judge(model, card, dataset, dataset.observed_until, [who])
    if scored.scores.empty:
        raise EngineError(f"{name} knows customer {who!r}, but not enough to judge as of "
                          f"{dataset.observed_until:%Y-%m-%d}: there is no order in the year before.")
    state.record(actor, "predict", name, now, {"customer_id": who})
    return reports.of_customer(dataset, card, scored, _steps_of(dataset))


def _anyone(name: str, rng: np.random.Generator) -> str:
    """A customer drawn from the current run."""
    return str(rng.choice(catalog.run(name).scores()["customer_id"].to_numpy()))


def score_file(name: str, sources: Sequence[Path], output: Path, *, actor: Actor, now: datetime,
               observed_until: datetime | None = None, progress: Told | None = None) -> dict[str, Any]:
    """Score a new file of the same kind with the production model; the output is there whole or not at all.

    Rows that cannot be taken are written beside it as <output>.rejected.csv, each with its reason.
    """
    allow(actor, "score")
    write = choose("output format", output.suffix.lower(), {".csv": _csv, ".parquet": _parquet})
    steps = Steps(of=3, told=progress)
    known = catalog.dataset(name)
    model, card = production(name)
    with tempfile.TemporaryDirectory() as aside:
        with steps("Read the file"):
            options = {key: value for key, value in known.options.items() if key != "observed_until"}
            reading = adapters.read(sources, Path(aside), known.adapter, name=name, observed_until=observed_until,
                                    now=now, options=options)
        with steps("Score every customer"):
            scored = judge(model, card, reading.dataset, reading.dataset.observed_until)
        with steps("Write the scores"):
            frame = reports.with_reasons(scored)
            files.write_bytes(output, write(frame))
            beside = output.with_name(output.name + ".rejected.csv")
            beside.unlink(missing_ok=True)
            if len(reading.rejected):
                files.write_bytes(beside, _csv(reading.rejected))
    state.record(actor, "score", name, now, {"model_id": card.model_id, "rows": len(frame), "output": output.name})
    return reports.of_scored_file(reading, card, frame, output, beside)


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=False)


def run_demos(*, seed: int, actor: Actor, now: datetime, settings: Settings = DEFAULTS, customers: int | None = None,
              progress: Told | None = None) -> list[dict[str, Any]]:
    """Create the demo companies where absent and run them; a demo that is there is only reported.

    customers: how many each has, instead of its own number.
    """
    allow(actor, "demo")
    return [_run_demo(name, seed, actor, now, settings, customers, progress) for name in DEMOS]


def _run_demo(name: str, seed: int, actor: Actor, now: datetime, settings: Settings, customers: int | None,
              progress: Told | None) -> dict[str, Any]:
    if any(dataset.name == name for dataset in catalog.datasets()) and catalog.runs(name):
        return report_of(name, actor)
    demo = DEMOS[name]
    with tempfile.TemporaryDirectory() as folder:
        made = demo.write(Path(folder), seed, customers)
        options = {"synthetic": demo.synthetic, "currency": demo.currency, "sector": demo.sector,
                   "horizon_days": demo.horizon_days}
        return run(made.sources, name=name, adapter=made.adapter, observed_until=made.observed_until, options=options,
                   settings=settings, apart={"truth": made.truth}, actor=actor, now=now, progress=progress)


def report_of(name: str, actor: Actor) -> dict[str, Any]:
    """What `run --json` prints, of the dataset's current run; without steps, for nothing was done."""
    allow(actor, "overview")
    dataset, kept = catalog.dataset(name), catalog.run(name)
    return reports.of_run(dataset, store.load(name, kept.model_id)[1], kept, _steps_of(dataset), [])
