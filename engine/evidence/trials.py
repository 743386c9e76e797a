"""What a dataset's own campaigns show by their holdouts: from it the effects of every later plan are learned."""

from __future__ import annotations

import functools

import pandas as pd
import sqlalchemy as sa

from engine import state
from engine.campaign import ledger, outcomes
from engine.campaign.tables import CAMPAIGNS, OUTCOMES
from engine.decision.trials import Trials, of_campaign


def settled(dataset: str) -> dict[str, pd.DataFrame]:
    """The assignments with their outcomes of every campaign whose outcomes show its whole window, by campaign id."""
    found = {there.id: outcomes.final(outcomes.with_outcomes(there.id), there.ends)
             for there in ledger.campaigns(dataset) if there.ends is not None}
    return {name: rows.astype({"holdout": int}) for name, rows in found.items() if rows is not None}


def trials(dataset: str) -> Trials:
    """Those contacted beside those held out, per campaign, treatment and segment, as far as outcomes are known today:
    of campaigns whose outcomes show the whole window, for a part of it says less of every effect.

    Counted again only when an outcome has come, been corrected or been erased.
    """
    known = version(dataset)
    return _counted(state.database_url(), dataset, known) if known[0] else Trials.none()


def version(dataset: str) -> tuple[int, int, str]:
    """What stands for the outcomes known today: how many, how many of them stayed, and when the newest was written."""
    stayed = sa.func.sum(sa.case((OUTCOMES.c.stayed, 1), else_=0))
    asked = sa.select(sa.func.count(), stayed, sa.func.max(OUTCOMES.c.at)).select_from(
        OUTCOMES.join(CAMPAIGNS, CAMPAIGNS.c.id == OUTCOMES.c.campaign_id)).where(CAMPAIGNS.c.dataset == dataset)
    with state.reader() as connection:
        many, those, newest = connection.execute(asked).one()
    return int(many), int(those or 0), str(newest or "")


@functools.lru_cache(maxsize=8)
def _counted(_database: str, dataset: str, _version: tuple[int, int, str]) -> Trials:
    return sum((of_campaign(rows, name) for name, rows in settled(dataset).items()), Trials.none())
