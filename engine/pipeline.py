"""One customer's way, in reading order: the raw file in; probability, value, reasons, segment and next steps out.

    onboard(sources)  -> Dataset, findings          read, check, register
    learn(dataset)    -> model_id                   audit, train, judge, store        (prediction/model.py)
    score(dataset)    -> Run                        SCORES and REASONS of every customer, kept
    look_back(...)    -> Runs                       the same of earlier moments, by today's model
    run(sources)      -> all three, and what a person should know of them
    train(dataset)    -> all but the first, from the version that is there
                         a new model takes production's place, or goes to staging, by the dataset's rule
                         (prediction/challenge.py)
    predict(...)      -> one customer's card        score_file(...) -> a new file's scores

Every verb that changes or reveals something takes `actor` and is refused or recorded here, whoever calls it.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine import bulk, catalog, files, noted, reports, saved, state
from engine.data import adapters, corrections, worth
from engine.data.checks import check, gate
from engine.data.demo import DEMOS, EVERY_DEMO
from engine.data.labels import freeze_labels, knows_from, windows_for
from engine.data.sources import brought
from engine.decision.own_playbooks import playbook_for
from engine.decision.playbooks import Playbook
from engine.errors import EngineError, choose
from engine.locks import dataset_lock
from engine.permissions import allow
from engine.prediction import model as prediction
from engine.prediction import store
from engine.prediction.challenge import PROMOTIONS, Decision, decide, described, pair
from engine.prediction.level import learning_windows
from engine.prediction.model import Model, Scored
from engine.prediction.settings import Settings
from engine.progress import Steps, Told
from engine.schema import SCORES, Actor, Dataset, Finding, ModelCard, plural

NOTHING: Mapping[str, Any] = {}
DEFAULTS = Settings()
STEPS = 10
LOOK_BACK_DAYS = (7, 30, 60, 90, 120, 150)


def run(sources: Sequence[str | Path], *, name: str, actor: Actor, now: datetime, adapter: str | None = None,
        observed_until: datetime | None = None, options: Mapping[str, Any] = NOTHING, settings: Settings = DEFAULTS,
        apart: Mapping[str, Path] | None = None, queries: Sequence[str] = (), promotion: str = "",
        said: Sequence[Finding] = (), progress: Told | None = None) -> dict[str, Any]:
    """Read a company's data, learn, score every customer, keep it all; returns what `run --json` prints.

    sources, queries: as in `engine.data.sources`: files, archives, folders, databases. promotion: when the new model
    takes the place of the one in production, one of PROMOTIONS; the dataset's own rule when left out. said: what was
    found before, to head the figures beside what is found here.
    """
    allow(actor, "run")
    with dataset_lock(name, "run", actor, now):
        rule = promotion_rule(name, promotion, actor)
        steps = Steps(of=STEPS + (rule != "always"), told=progress)
        dataset, found = onboard(sources, name=name, actor=actor, now=now, adapter=adapter, options=options,
                                 observed_until=observed_until, apart=apart, queries=queries, steps=steps,
                                 in_use=False)
        return _put_to_use(dataset, settings, (*said, *found), rule, actor=actor, now=now, steps=steps)


def train(name: str, *, actor: Actor, now: datetime, settings: Settings = DEFAULTS, promotion: str = "",
          progress: Told | None = None) -> dict[str, Any]:
    """Learn anew from the dataset's current version and score every customer; returns what `run` returns."""
    allow(actor, "train")
    with dataset_lock(name, "train", actor, now):
        rule, dataset = promotion_rule(name, promotion, actor), catalog.dataset(name)
        steps = Steps(of=STEPS - 1 + (rule != "always"), told=progress)
        with steps("Check the data"):
            found = (*catalog.findings(dataset), *checked(dataset))
            gate(found)
        return _put_to_use(dataset, settings, found, rule, actor=actor, now=now, steps=steps)


def promotion_rule(name: str, asked: str, actor: Actor) -> str:
    """The rule asked for, or the dataset's own: when a new model takes the place of the one in production."""
    own = saved.kept("promotion", name, actor=actor)
    rule = asked or (str(own[0].content["rule"]) if own else "always")
    choose("promotion rule", rule, PROMOTIONS)
    return rule


def _put_to_use(dataset: Dataset, settings: Settings, found: Sequence[Finding], rule: str, *, actor: Actor,
                now: datetime, steps: Steps) -> dict[str, Any]:
    """Learn; let the new model take production's place or wait in staging, by the rule; score with the one in use."""
    learned = learn(noted.as_read(dataset), settings, actor=actor, now=now, found=found, steps=steps, in_use=False)
    decision = _decided(dataset.name, learned[1], rule, steps)
    if decision.comparison is not None:
        told_apart = decision.comparison
        saved.keep("comparison", dataset.name, pair(told_apart.champion, told_apart.challenger),
                   described(dataset.name, told_apart), actor=actor, now=now)
    by = learned if decision.promoted else _staged(noted.as_read(dataset), learned, actor, now)
    try:
        kept = score(dataset, actor=actor, now=now, steps=steps, by=by)
    except EngineError as problem:
        if decision.promoted:
            raise
        raise decision.stuck(problem) from problem
    dataset = catalog.dataset(dataset.name, dataset.version)
    catalog.use(dataset)
    if decision.promoted:
        store.promote(dataset.name, learned[1].model_id)
        store.withdraw(dataset.name, learned[1].model_id)
    told = {"model_id": learned[1].model_id, "promoted": decision.promoted, "rule": rule, "why": decision.why}
    state.record(actor, "promote" if decision.promoted else "stage", dataset.name, now, told)
    look_back(dataset, actor=actor, now=now, steps=steps, by=by)
    return reports.of_run(dataset, by[1], kept, _steps_of(dataset), steps.seconds) | {"promotion": told}


def _decided(name: str, card: ModelCard, rule: str, steps: Steps) -> Decision:
    if rule == "always":
        return decide(name, card, rule)
    with steps("Hold it against the model in use") as part:
        return decide(name, card, rule, part)


def _staged(dataset: Dataset, learned: tuple[Model, ModelCard], actor: Actor, now: datetime) -> tuple[Model, ModelCard]:
    """Point staging to the new model and keep its scores beside those in use; returns the model in production."""
    model, card = learned
    store.promote(dataset.name, card.model_id, "staging")
    _keep(judge(model, card, dataset, dataset.observed_until), dataset, card, actor, now, in_use=False)
    return production(dataset.name)


def onboard(sources: Sequence[str | Path], *, name: str, actor: Actor, now: datetime, adapter: str | None = None,
            observed_until: datetime | None = None, options: Mapping[str, Any] = NOTHING,
            apart: Mapping[str, Path] | None = None, queries: Sequence[str] = (), steps: Steps | None = None,
            in_use: bool = True, said: Sequence[Finding] = ()) -> tuple[Dataset, tuple[Finding, ...]]:
    """Read and check the data and make them the dataset's current version (`in_use`); returns it with every finding.

    sources, queries: as in `engine.data.sources`: files, archives, folders, databases. said: what was found before,
    which is kept with what is found here.

    Raises:
        DataError: when the data cannot be learned from; nothing is registered then.
    """
    allow(actor, "onboard")
    steps = steps or Steps(of=2)
    with ExitStack() as stack:
        staged = stack.enter_context(catalog.staging(name))
        with steps("Read the files"):
            came = stack.enter_context(brought(sources, queries))
            reading = adapters.read(came.files, staged, adapter, name=name, observed_until=observed_until, now=now,
                                    options=options)
            reading = replace(reading, findings=(*said, *came.findings, *reading.findings))
            reading = corrections.applied(reading, _corrections_of(name), staged)
        with steps("Check the data"):
            found = (*reading.findings, *checked(reading.dataset))
            gate(found)
            told = freeze_labels(reading.dataset, learning_windows(reading.dataset), staged)
            reading = replace(reading, dataset=told)
            dataset = catalog.register(reading, staged, came.files, actor=actor, now=now, apart=apart, in_use=in_use)
            if dataset.erased:  # the version was here before, and the files still hold whom it holds no more
                found = (*catalog.findings(dataset), *checked(dataset))
    state.record(actor, "onboard", name, now, {"version": dataset.version})
    return dataset, found


def _corrections_of(name: str) -> tuple[str, ...]:
    """The corrections that are kept for the dataset: what comes next is read the same way."""
    known = [dataset for dataset in catalog.datasets() if dataset.name == name]
    return tuple(known[0].options.get(corrections.OPTION, ())) if known else ()


def checked(dataset: Dataset) -> list[Finding]:
    """What the checks find; a dataset without a label is checked when it is scored."""
    return [] if dataset.label.kind == "none" else check(dataset, windows_for(dataset, n=1)[0])


def learn(dataset: Dataset, settings: Settings, *, actor: Actor, now: datetime, found: Sequence[Finding] = (),
          steps: Steps | None = None, in_use: bool = True) -> tuple[Model, ModelCard]:
    """Train and judge a model on the dataset, store it and put it to use (`in_use`); returns it and its card."""
    allow(actor, "train")
    model, card = prediction.learn(dataset, settings, found=found, steps=steps or Steps(of=5))
    store.save(model.parts(), card, dataset.name, tables=model.tables())
    if in_use:
        store.promote(dataset.name, card.model_id)
    state.record(actor, "train", dataset.name, now, {"version": dataset.version, "model_id": card.model_id})
    return model, card


def score(dataset: Dataset, *, actor: Actor, now: datetime, steps: Steps | None = None,
          by: tuple[Model, ModelCard] | None = None, in_use: bool = True) -> catalog.Run:
    """Score every customer as of the moment up to which the data are known, `by` a model or the production one.

    in_use: whether these become the current scores.
    """
    allow(actor, "score")
    steps = steps or Steps(of=2)
    model, card = by or production(dataset.name)
    dataset = noted.money(dataset, card.quarantined)
    if bulk.many(dataset):
        return _score_in_parts(dataset, (model, card), actor, now, steps, in_use)
    with steps("Score every customer"):
        scored = judge(model, card, dataset, dataset.observed_until)
    with steps("Keep the run"):
        kept = _keep(scored, dataset, card, actor, now, in_use)
    state.record(actor, "score", dataset.name, now, {"run_id": kept.run_id})
    return kept


def _score_in_parts(dataset: Dataset, by: tuple[Model, ModelCard], actor: Actor, now: datetime, steps: Steps,
                    in_use: bool) -> catalog.Run:
    """The same of more customers than memory holds, or on a cluster."""
    model, card = by
    asked = _run_of(dataset, card, dataset.observed_until, 0)
    with steps("Score every customer") as part:
        judged = functools.partial(with_hold_back, card=card, book=_steps_of(dataset))
        kept = bulk.score_in_parts(model, dataset, asked, judged, actor=actor, now=now, part=part, in_use=in_use)
    with steps("Keep the run"):
        state.record(actor, "score", dataset.name, now, {"run_id": kept.run_id})
    return kept


def _run_of(dataset: Dataset, card: ModelCard, as_of: datetime, customers: int) -> catalog.Run:
    learned_until = catalog.dataset(dataset.name, card.version).observed_until
    return catalog.Run.of(dataset, card.model_id, as_of, customers, _steps_of(dataset).rules,
                          looks_back=as_of < learned_until)


def _keep(scored: Scored, dataset: Dataset, card: ModelCard, actor: Actor, now: datetime,
          in_use: bool = True) -> catalog.Run:
    kept = _run_of(dataset, card, scored.as_of, len(scored.scores))
    scores, reasons = (frame.assign(run_id=kept.run_id) for frame in (scored.scores, scored.reasons))
    return catalog.save_run(kept, scores, reasons, scored.features, actor=actor, now=now, in_use=in_use)


def look_back(dataset: Dataset, moments: Sequence[datetime] | None = None, *, actor: Actor, now: datetime,
              steps: Steps | None = None, by: tuple[Model, ModelCard] | None = None) -> list[catalog.Run]:
    """Score what was known at earlier moments, `by` a model or the production one; the current run stays current.

    It is today's model, which has learned from the time since: its scores show how customers moved, not how well it
    would have forecast (Run.looks_back). Without `moments`: of orders a week and one to five months back, as far as
    there are 180 days of history before; of a snapshot the moments of the dataset's earlier versions, five at most.
    """
    allow(actor, "score")
    kept = []
    with dataset_lock(dataset.name, "look back", actor, now), (steps or Steps(of=1))("Look back") as part:
        model, card = by or production(dataset.name)
        earlier = _earlier(dataset, moments)
        for done, (found, as_of) in enumerate(earlier, start=1):
            known = noted.money(found, card.quarantined)
            if (scored := _judged_then(model, card, known, as_of)) is not None:
                kept.append(_keep(scored, known, card, actor, now, in_use=False))
            part(done, len(earlier))
    if kept:
        state.record(actor, "score", dataset.name, now, {"run_ids": [run.run_id for run in kept], "looks_back": True})
    return kept


def _judged_then(model: Model, card: ModelCard, known: Dataset, as_of: datetime) -> Scored | None:
    """The scores of an earlier moment; None where its file lacks a column that the model needs, or nobody was there."""
    try:
        scored = judge(model, card, known, as_of)
    except EngineError:
        return None
    return scored if len(scored.scores) else None


def _earlier(dataset: Dataset, moments: Sequence[datetime] | None) -> list[tuple[Dataset, datetime]]:
    """The data that say what was known at each earlier moment, the earliest first."""
    if dataset.kind == "snapshot":
        versions = [catalog.dataset(dataset.name, version) for version in catalog.versions(dataset.name)]
        known = {version.observed_until: version for version in versions if version.kind == "snapshot"}
        wanted = sorted(at for at in known if at < dataset.observed_until and (moments is None or at in moments))
        return [(known[at], at) for at in wanted[-len(LOOK_BACK_DAYS) + 1:]]
    asked = [dataset.observed_until - timedelta(days=days) for days in LOOK_BACK_DAYS] if moments is None else moments
    first = knows_from(dataset)
    return [(dataset, at) for at in sorted(asked) if first <= at < dataset.observed_until]


def production(name: str) -> tuple[Model, ModelCard]:
    """The dataset's production model and its card; its files are checked before anything of them is used."""
    catalog.dataset(name)
    return opened(name)


def opened(name: str, model_id: str | None = None) -> tuple[Model, ModelCard]:
    """A model by its id, or the production model, and its card."""
    parts, card = store.load(name, model_id)
    return Model.of(parts), card


def judge(model: Model, card: ModelCard, dataset: Dataset, as_of: datetime,
          only: Sequence[str] | None = None) -> Scored:
    """Scores and reasons of all customers or of `only` some, with the reason for which one is held back."""
    scored = prediction.score(model, worth.counted(dataset, card.quarantined), as_of, only)
    return replace(scored, scores=with_hold_back(scored, card, _steps_of(dataset)))


def with_hold_back(scored: Scored, card: ModelCard, book: Playbook) -> pd.DataFrame:
    """The scores, and per customer the reason for which no action is advised."""
    scores = scored.scores.assign(hold_back=hold_back(scored, card, book))
    return scores[[name for name in SCORES.names if name in scores]]


def hold_back(scored: Scored, card: ModelCard, book: Playbook) -> pd.Series:
    """Why no action is advised, per customer; empty where action is allowed."""
    index = scored.scores.index
    if not card.usable:
        return pd.Series("The model knows nothing about who leaves: no ground for action.", index=index)
    if book.minimum_tenure_column not in scored.features:
        return pd.Series("", index=index)
    least, words = book.minimum_tenure_months, f"action is advised from {book.minimum_tenure_months:g} months on."
    tenure = scored.features[book.minimum_tenure_column].to_numpy(dtype=float)
    return pd.Series([f"Tenure is {plural(int(months), 'month')}; {words}" if months < least else ""
                      for months in tenure], index=index)


def _steps_of(dataset: Dataset) -> Playbook:
    """The dataset's playbook: its own, its sector's, or the general one where the sector has none."""
    return playbook_for(dataset)


def predict(name: str, customer_id: str | None, *, actor: Actor, now: datetime, seed: int | None = None,
            run_id: str | None = None, by: tuple[Model, ModelCard] | None = None,
            again: bool = False) -> dict[str, Any]:
    """One customer's card, computed now by the same functions as the batch; any customer when no id is given.

    Args:
        run_id: judge as that scoring run did: its version of the data, its moment and its model.
        by: the model, already open.
        again: the actor has this customer's card open and looks at it anew, which the log need not tell twice.

    Raises:
        EngineError: if the dataset does not know the customer, or knew too little to judge at its moment.
    """
    allow(actor, "predict")
    dataset, as_of, (model, card) = _judged_as(name, run_id, by)
    who = customer_id or _anyone(name, np.random.default_rng(now.second if seed is None else seed))
    if dataset.frame([who]).empty:
        raise EngineError(f"{name} has no customer {who!r}. Ids are compared as text, zeros included.")
    scored = judge(model, card, dataset, as_of, [who])
    if not again:
        state.record(actor, "predict", name, now, {"customer_id": who})
    return reports.of_customer(dataset, card, scored, _steps_of(dataset), model)


def _judged_as(name: str, run_id: str | None,
               by: tuple[Model, ModelCard] | None) -> tuple[Dataset, datetime, tuple[Model, ModelCard]]:
    """The data, the moment and the model of a run; the current ones without."""
    if run_id is None:
        dataset = catalog.dataset(name)
        return dataset, dataset.observed_until, by or production(name)
    run = catalog.run(name, run_id)
    return catalog.dataset(name, run.version), run.as_of, by or opened(name, run.model_id)


def _anyone(name: str, rng: np.random.Generator) -> str:
    """A customer drawn from the current run."""
    return str(rng.choice(catalog.run(name).scores()["customer_id"].to_numpy()))


def score_file(name: str, sources: Sequence[str | Path], output: Path, *, actor: Actor, now: datetime,
               observed_until: datetime | None = None, queries: Sequence[str] = (),
               progress: Told | None = None) -> dict[str, Any]:
    """Score a new file of the same kind with the production model; the output is there whole or not at all.

    Rows that cannot be taken are written beside it as <output>.rejected.csv, each with its reason.
    """
    allow(actor, "score")
    write = choose("output format", output.suffix.lower(), {".csv": _csv, ".parquet": _parquet})
    steps = Steps(of=3, told=progress)
    known = catalog.dataset(name)
    model, card = production(name)
    with ExitStack() as stack:
        aside = stack.enter_context(tempfile.TemporaryDirectory())
        with steps("Read the file"):
            options = {key: value for key, value in known.options.items()
                       if key not in ("observed_until", corrections.OPTION)}
            came = stack.enter_context(brought(sources, queries))
            reading = adapters.read(came.files, Path(aside), known.adapter, name=name, observed_until=observed_until,
                                    now=now, options=options)
            reading = corrections.applied(reading, known.options.get(corrections.OPTION, ()), Path(aside))
            reading = replace(reading, dataset=worth.counted(reading.dataset, card.quarantined))
        with steps("Score every customer"):
            scored = judge(model, card, reading.dataset, reading.dataset.observed_until)
        with steps("Write the scores"):
            frame = reports.with_reasons(scored)
            files.write_bytes(output, write(frame))
            beside = output.with_name(output.name + ".rejected.csv")
            beside.unlink(missing_ok=True)
            if reading.rejections:
                files.write_bytes(beside, _csv(reading.rejected))
    state.record(actor, "score", name, now, {"model_id": card.model_id, "rows": len(frame), "output": output.name})
    return reports.of_scored_file(reading, card, frame, output, beside)


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=False)


def run_demos(*, seed: int, actor: Actor, now: datetime, settings: Settings = DEFAULTS, customers: int | None = None,
              companies: Sequence[str] = tuple(DEMOS), progress: Told | None = None) -> list[dict[str, Any]]:
    """Create the demo companies where absent and run them; a demo that is there is only reported.

    customers: how many each has, instead of its own number. companies: which of EVERY_DEMO.
    """
    allow(actor, "demo")
    for name in companies:
        choose("demo company", name, EVERY_DEMO)
    return [_run_demo(name, seed, actor, now, settings, customers, progress) for name in companies]


def _run_demo(name: str, seed: int, actor: Actor, now: datetime, settings: Settings, customers: int | None,
              progress: Told | None) -> dict[str, Any]:
    if any(dataset.name == name for dataset in catalog.datasets()) and catalog.runs(name):
        return report_of(name, actor)
    demo = EVERY_DEMO[name]
    with dataset_lock(name, "demo", actor, now), tempfile.TemporaryDirectory() as folder:
        made = demo.write(Path(folder), seed, customers)
        options = {"synthetic": demo.synthetic, "currency": demo.currency, "sector": demo.sector,
                   "horizon_days": demo.horizon_days}
        for until, sources in demo.earlier(Path(folder), seed, customers):
            _keep_earlier(sources, name, made.adapter, until, options, actor, now)
        return run(made.sources, name=name, adapter=made.adapter, observed_until=made.observed_until, options=options,
                   settings=settings, apart={"truth": made.truth}, actor=actor, now=now, progress=progress)


def _keep_earlier(sources: Sequence[Path], name: str, adapter: str, until: datetime, options: Mapping[str, Any],
                  actor: Actor, now: datetime) -> None:
    """Keep a file as it was at an earlier moment as a version to look back on; nobody learns from it."""
    with catalog.staging(name) as staged:
        reading = adapters.read(sources, staged, adapter, name=name, observed_until=until, now=now, options=options)
        catalog.register(reading, staged, sources, actor=actor, now=now, in_use=False)


def report_of(name: str, actor: Actor) -> dict[str, Any]:
    """What `run --json` prints, of the dataset's current run; without steps, for nothing was done."""
    allow(actor, "overview")
    dataset, kept = catalog.dataset(name), catalog.run(name)
    return reports.of_run(dataset, store.load(name, kept.model_id)[1], kept, _steps_of(dataset), [])
