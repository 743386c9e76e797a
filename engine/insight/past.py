"""What was tried by chance says of each treatment's effect: one truth for plans, recommendations and recovery."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from engine import catalog
from engine.decision.effects import Effects, effects
from engine.decision.guardrails import KNOWN, fits
from engine.decision.trials import ANY_SEGMENT, Trials, of_offers
from engine.evidence.trials import trials
from engine.insight.source import Scope, ask
from engine.prediction import store
from engine.prediction.model import Model
from engine.prediction.past import segments_then

NEEDED = {"treatment", "propensity", "churned"}


def effects_of(place: Scope) -> Effects:
    """The recovery rate of every treatment and segment: the playbook's, moved by past offers and by the company's own
    campaigns, as far as their outcomes are known today."""
    return effects(place.book, past_trials(place) + trials(place.dataset.name))


def past_trials(place: Scope) -> Trials:
    """What the company's past randomised offers show per treatment and segment, of this delivery of its data or of the
    last before it that held any; nothing where none does."""
    tried = catalog.with_offers(place.dataset)
    if tried is None:
        return Trials.none()
    return _trials(_Asked((str(place.run.folder), str(tried.offers), place.key), replace(place, dataset=tried)))


@dataclass(frozen=True)
class _Asked:
    """A scope, the same as another where the key is: what is asked again within a process is not counted again."""

    key: tuple[str, ...]
    place: Scope = field(compare=False)


@functools.lru_cache(maxsize=8)
def _trials(asked: _Asked) -> Trials:
    place = asked.place
    offers = ask(place, "SELECT * FROM offers")
    if not set(offers) >= NEEDED:
        return Trials.none()
    known = offers.add_prefix(KNOWN)
    able = {treatment.name: fits(treatment, known) for treatment in place.book.acting()}
    return of_offers(offers.assign(segment=_segments(place, offers)), able)


def _segments(place: Scope, offers: pd.DataFrame) -> np.ndarray:
    """The segment of each offer as of its day; all one where no model is there to tell."""
    told = None
    if (store.models_home() / place.dataset.name / place.run.model_id).is_dir():
        told = segments_then(Model.of(store.load(place.dataset.name, place.run.model_id)[0]), place.dataset, offers)
    return np.full(len(offers), ANY_SEGMENT, dtype=object) if told is None else told.to_numpy()
