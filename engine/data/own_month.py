"""Columns of the very month, or quarter, about which the answer asks: they were measured while customers left.

`logins_jun` beside an answer `Churned in June` falls because a customer has gone. A name is not enough: the column must
also tell far more than those of its kind of other months, as what is measured while customers leave does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import sqrt
from typing import NamedTuple

from engine.data.doctor.vocabulary import named
from engine.data.telltales import AFTER

TELLS_MORE = 0.05
NAMES = (
    "jan january januar janvier ene enero janeiro gen gennaio januari styczen",
    "feb february februar fev fevrier febrero fevereiro febbraio februari luty",
    "mar march marz maerz mrz mars marzo marco maart mrt marzec",
    "apr april avr avril abr abril aprile kwiecien",
    "may mai mayo maio maggio mag mei maj",
    "jun june juni juin junio junho giu giugno czerwiec",
    "jul july juli juil juillet julio julho lug luglio lipiec",
    "aug august aout ago agosto augustus sierpien",
    "sep sept september septembre septiembre setembro set settembre wrzesien",
    "oct october okt oktober octobre octubre out outubro ott ottobre pazdziernik",
    "nov november novembre noviembre novembro listopad",
    "dec december dez dezember decembre dic diciembre dezembro dicembre grudzien",
)
MONTHS = {name: number for number, names in enumerate(NAMES, 1) for name in names.split()}
_NUMBERED = re.compile(r"(?:^|_)(?P<year>20\d{2})_?(?P<unit>[mq]?)_?(?P<number>0[1-9]|1[0-2]|[1-4])(?=_|$)")
_QUARTER = re.compile(r"(?:^|_)(?:(?P<before>20\d{2})_)?q_?(?P<number>[1-4])(?:_(?P<after>20\d{2}))?(?=_|$)")
_NAMED = re.compile(rf"(?:^|_)(?:(?P<before>20\d{{2}})_)?(?P<name>{'|'.join(MONTHS)})"
                    r"(?:_?(?P<after>20\d{2}))?(?=_|$)")


class Period(NamedTuple):
    """A month or a quarter, by its number; year 0 where the name tells none."""

    unit: str
    number: int
    year: int

    def may_be(self, other: Period) -> bool:
        """Whether both may be the same: years are compared where both tell one."""
        return self[:2] == other[:2] and (self.year == other.year or 0 in (self.year, other.year))


def period_of(name: str) -> tuple[str, Period] | None:
    """What a name says beside its month or quarter, and that; None without one.

    >>> period_of("Logins Jun")
    ('logins', Period(unit='month', number=6, year=0))
    >>> period_of("usage_2024_06")[1].year, period_of("spend_Q2")[1].unit
    (2024, 'quarter')
    >>> period_of("tenure_months") is None
    True
    """
    plain = named(name)
    if found := _QUARTER.search(plain):
        period = Period("quarter", int(found["number"]), int(found["before"] or found["after"] or 0))
    elif found := _NAMED.search(plain):
        period = Period("month", MONTHS[found["name"]], int(found["before"] or found["after"] or 0))
    elif (found := _NUMBERED.search(plain)) and (found["unit"] == "q" or len(found["number"]) == 2):
        period = Period("quarter" if found["unit"] == "q" else "month", int(found["number"]), int(found["year"]))
    else:
        return None
    return (plain[:found.start()] + plain[found.end():]).strip("_"), period


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
