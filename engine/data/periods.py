"""Months and quarters in the names of columns, and columns that say the same of successive ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from engine.data.doctor.vocabulary import named

FEWEST_NUMBERED, MOST_STEPS = 3, 6
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
NUMBER = "number"

class Period(NamedTuple):
    """A month or a quarter, or a bare number that counts columns through; year 0 where the name tells none."""

    unit: str
    number: int
    year: int

    def since(self, earlier: Period) -> int:
        """How many periods after another it is; the fewest where a year is not told.

        >>> Period("month", 1, 0).since(Period("month", 12, 0))
        1
        >>> Period("month", 1, 2024).since(Period("month", 4, 2024))
        -3
        """
        steps = self.number - earlier.number
        if self.unit == NUMBER:
            return steps
        return steps + YEAR[self.unit] * (self.year - earlier.year) if self.year and earlier.year else \
            steps % YEAR[self.unit]

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
    return tuple(tuple(members[period] for period in _in_order(members)) for members in _families(names).values()
                 if len(members) > 1)


def moved(names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """By name the wanted one that said the same of an earlier month: where wanted months are missing and all that say
    the same of later ones have moved on alike, by half a year at most; {} else.

    >>> moved(["id", "logins_may", "logins_jun", "left_in_july"], ["id", "logins_apr", "logins_may", "left_in_june"])
    {'logins_may': 'logins_apr', 'logins_jun': 'logins_may', 'left_in_july': 'left_in_june'}
    >>> moved(["logins_may", "logins_jul"], ["logins_apr", "logins_may"]), moved(["fee_jun"], ["fee_jun", "fee_may"])
    ({}, {})
    """
    names, wanted = list(names), list(wanted)
    there, before = _families(names), _families(wanted)
    steps: set[int] = set()
    found: dict[str, str] = {}
    for family, members in before.items():
        old, new = _in_order(members), _in_order(there.get(family, {}))
        if set(members.values()) <= set(names) or len(new) < len(old):
            continue
        new = new[-len(old):]
        steps |= {later.since(earlier) for earlier, later in zip(old, new, strict=True)}
        found |= {there[family][later]: members[earlier] for earlier, later in zip(old, new, strict=True)}
    return found if len(steps) == 1 and 0 < min(steps) <= MOST_STEPS else {}


def _families(names: Iterable[str]) -> dict[tuple[str, str], dict[Period, str]]:
    """By what columns say, and in which unit of time, each period's column."""
    families: dict[tuple[str, str], dict[Period, str]] = {}
    counted: dict[tuple[str, str], dict[Period, str]] = {}
    for name in names:
        if found := period_of(name):
            families.setdefault((found[0], found[1].unit), {})[found[1]] = name
        elif number := _COUNTED.search(plain := named(name)):
            stem = f"{plain[:number.start()]}#{plain[number.end():]}"
            counted.setdefault((stem, NUMBER), {})[Period(NUMBER, int(number[0]), 0)] = name
    through = {family: members for family, members in counted.items() if len(members) >= FEWEST_NUMBERED
               and max(members).number - min(members).number == len(members) - 1}
    return families | through


def _in_order(members: Iterable[Period]) -> list[Period]:
    """Periods one after the other; where none tells its year, the last is the one before the widest gap."""
    periods = sorted(members, key=lambda period: (period.year, period.number))
    if not periods or periods[0].unit == NUMBER or any(period.year for period in periods):
        return periods
    gaps = [later.since(period) or YEAR[period.unit]
            for period, later in zip(periods, [*periods[1:], periods[0]], strict=True)]
    last = max(range(len(periods)), key=lambda place: (gaps[place], place))
    return [*periods[last + 1:], *periods[:last + 1]]
