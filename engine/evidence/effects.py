"""Effects pooled over campaigns: per treatment and segment what all campaigns with a holdout show together.

Each campaign is a stratum of its own, so that a campaign in a bad month is compared with its own holdout alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from engine.evidence.proportions import Strata, difference
from engine.schema import Estimate

EVERY_SEGMENT = ""


@dataclass(frozen=True)
class Effect:
    """What a treatment does in a segment ("" = all): uplift [-1..1] with its interval; the share of would-be leavers
    that it keeps (uplift / share that leaves untreated; nan where nobody leaves); from how many campaigns."""

    treatment: str
    segment: str
    uplift: Estimate
    recovery_rate: float
    campaigns: int


def pooled(campaigns: Mapping[str, pd.DataFrame]) -> tuple[Effect, ...]:
    """Effects per treatment, then per treatment and segment.

    Args:
        campaigns: by campaign id its rows: treatment, segment, holdout, stayed (0, 1, missing = not known).
    """
    frames = [frame.assign(campaign=name) for name, frame in campaigns.items() if len(frame)]
    if not frames:
        return ()
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows["stayed"].notna()].assign(holdout=rows["holdout"].astype(bool))
    found = [_effect(str(name), EVERY_SEGMENT, mine) for name, mine in rows.groupby("treatment")]
    both = rows.groupby(["treatment", "segment"])
    found += [_effect(str(name), str(segment), mine) for (name, segment), mine in both]
    return tuple(effect for effect in found if effect is not None)


def _effect(treatment: str, segment: str, rows: pd.DataFrame) -> Effect | None:
    left = 1 - rows["stayed"].astype(float)
    stratum = rows[["campaign", "segment"]].astype(str).agg(" | ".join, axis=1)
    uplift = difference(Strata.of(~rows["holdout"], left, stratum))
    if uplift is None:
        return None
    untreated = float(left[rows["holdout"]].mean())
    return Effect(treatment, segment, uplift, uplift.value / untreated if untreated else float("nan"),
                  int(rows["campaign"].nunique()))
