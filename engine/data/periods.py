"""Months and quarters in the names of columns, and columns that say the same of successive ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from engine.data.doctor.vocabulary import named

FEWEST_NUMBERED = 3
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

_COUNTED = re.compile(r"(?<=[a-z_])\d{1,2}(?=_|$)")
YEAR = {"month": 12, "quarter": 4}

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

def series(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Columns that say the same of successive months or quarters, or that are counted through, each from the first on.

    Two months make a series; of bare numbers at least three that follow each other. Where no name tells a year, the
    widest gap parts the last from the first: nov, dec, jan.

    >>> series(["fee", "logins_feb", "logins_jan", "logins_dec", "spend_q1_2024", "spend_q4_2023", "BILL2", "BILL1"])
    (('logins_dec', 'logins_jan', 'logins_feb'), ('spend_q4_2023', 'spend_q1_2024'))
    >>> series(["arpu_8", "arpu_6", "arpu_7", "score_1", "score_3", "score_9", "calls_30d", "calls_60d", "calls_90d"])
    (('arpu_6', 'arpu_7', 'arpu_8'),)
    """
    dated: dict[tuple[str, str], dict[Period, str]] = {}
    counted: dict[str, dict[int, str]] = {}
    for name in names:
        if found := period_of(name):
            dated.setdefault((found[0], found[1].unit), {})[found[1]] = name
        elif number := _COUNTED.search(named(name)):
            plain = named(name)
            counted.setdefault(plain[:number.start()] + "#" + plain[number.end():], {})[int(number[0])] = name
    of_periods = (_in_order(members) for members in dated.values() if len(members) > 1)
    of_numbers = (tuple(members[number] for number in sorted(members)) for members in counted.values()
                  if len(members) >= FEWEST_NUMBERED and max(members) - min(members) == len(members) - 1)
    return (*of_periods, *of_numbers)

def _in_order(members: dict[Period, str]) -> tuple[str, ...]:
    """The columns in the order of their periods."""
    periods = sorted(members, key=lambda period: (period.year, period.number))
    if not any(period.year for period in periods):
        after = [(later.number - period.number) % YEAR[period.unit] or YEAR[period.unit]
                 for period, later in zip(periods, [*periods[1:], periods[0]], strict=True)]
        last = max(range(len(periods)), key=lambda place: (after[place], place))
        periods = [*periods[last + 1:], *periods[:last + 1]]
    return tuple(members[period] for period in periods)
