"""Columns of the very month, or quarter, about which the answer asks: they were measured while customers left.

`logins_jun` beside an answer `Churned in June` falls because a customer has gone. A name is not enough: the column must
also tell far more than those of its kind of other months, as what is measured while customers leave does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt

from engine.data.periods import Period, period_of
from engine.data.telltales import AFTER

TELLS_MORE = 0.05


def of_the_answer(asked: str, aucs: Mapping[str, float], left: int, stayed: int
                  ) -> tuple[dict[str, str], tuple[str, ...]]:
    """Why columns of the month about which the answer asks know it, and those of that month that tell no more than
    others of their kind.

    asked: the answer's name in the company's file. aucs: every column's ROC-AUC alone, by its name. left, stayed: how
    many customers did. More is what exceeds .05 and three standard errors of an AUC of .5 (Hanley and McNeil 1982).

    >>> alone = {"logins_may": 0.62, "logins_jun": 0.91, "fee_may": 0.6, "fee_jun": 0.6}
    >>> list(of_the_answer("Churned in June", alone, 300, 900)[0]), of_the_answer("Churned in June", alone, 300, 900)[1]
    (['logins_jun'], ('fee_jun',))
    """
    more = max(TELLS_MORE, 3 * sqrt((left + stayed + 1) / (12 * left * stayed)))
    own = period_of(asked)
    reasons: dict[str, str] = {}
    doubtful = []
    if own is None:
        return reasons, ()
    for name, others in _kin(own[1], aucs):
        best = max(others, key=lambda other: aucs[other])
        if aucs[name] >= aucs[best] + more:
            reasons[name] = (f"{AFTER} it is of the {own[1].unit} about which {asked} asks, and alone it "
                             f"reaches a ROC-AUC of {aucs[name]:.3f}, {best} {aucs[best]:.3f}.")
        else:
            doubtful.append(name)
    return reasons, tuple(doubtful)


def _kin(asked: Period, names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The columns of the month asked about, each with those that say the same of other months."""
    families: dict[str, list[tuple[str, Period]]] = {}
    for name in names:
        if found := period_of(name):
            families.setdefault(found[0], []).append((name, found[1]))
    kin = []
    for members in families.values():
        of_it = [name for name, period in members if period.may_be(asked)]
        others = [name for name, period in members if not period.may_be(asked) and period.unit == asked.unit]
        kin += [(name, others) for name in of_it if others]
    return kin
