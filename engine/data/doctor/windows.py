"""The time within which something happens, where a column's name says it: closed_within_6m, retained_d30, churn_90."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.data.doctor import vocabulary as words

LONGEST = 1100
LONG_UNITS = (r"days?|weeks?|wks?|months?|mths?|mnths?|mons?|mos|years?|yrs?|tagen?|wochen?|monate?n?|jahre?n?|dias?|"
              r"meses|jours?|mois|giorni|mesi|dagen|maanden|dni")
SHORT_UNITS = r"d|w|wk|m|mo|y|yr"
NO_WINDOW = r"_(?:ago|free|trial|contract|plan|term|notice|offer|pass|guarantee|commitment|tariff)"
ROUND_DAYS = "7|14|28|30|31|45|60|90|91|120|180|182|183|270|360|365"
MONTH_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
OF_LEAVING = "|".join((words.LEAVING, words.STAYING, words.CLOSED, words.MAY_LEAVE, "target|label")).replace(
    r"\w*", "[a-z]*")  # a word does not run on over further ones: churn_2024_06_30 says a day
WAYS = tuple(map(re.compile, (
    words.WITHIN,
    rf"(?:^|_|(?<=[a-z]))(?P<count>\d{{1,3}})(?:(?P<unit>{SHORT_UNITS})|_?(?P<long>{LONG_UNITS}))(?=_|$)(?!{NO_WINDOW})",
    r"(?:^|_)(?P<unit>d|day)_?(?P<count>\d{1,3})(?=_(?!\d)|$)",
    r"(?:^|_)(?P<unit>w|m)(?P<count>1|2|3|4|6|8|9|12|24)(?=_(?!\d)|$)",
    rf"(?:^|_)(?:{OF_LEAVING})(?<!\d)_?(?P<count>{ROUND_DAYS})(?=_(?!\d|{MONTH_NAMES}|{LONG_UNITS})|$)")))


def window_days(name: str) -> int | None:
    """The time within which something happens, where a plain name says it [days].

    >>> list(map(window_days, ("closed_within_6m", "churn_next_month", "lapsed_60d", "retained_d30", "churn_90")))
    [183, 30, 60, 30, 90]
    >>> list(map(window_days, ("churned", "churn_2024", "status_1", "churn_2024_06_30", "cancelled_30_day_trial")))
    [None, None, None, None, None]
    """
    return next(_days(name), None)


def _days(name: str) -> Iterator[int]:
    for way in WAYS:
        for found in way.finditer(name):
            told = found.groupdict()
            unit = told.get("unit") or told.get("long") or "d"
            days = round(int(told["count"] or 1) * words.UNIT_DAYS[unit[0]])
            if 0 < days <= LONGEST:
                yield days


def without_window(name: str) -> str:
    """The plain name without the time that it says.

    >>> without_window("closed_within_6m"), without_window("d30_retained"), without_window("churn_30_days")
    ('closed', 'retained', 'churn')
    """
    for way in WAYS[:-1]:
        name = way.sub("", name).strip("_")
    return name


def said_besides(name: str, known: str) -> list[str]:
    """What a name says besides the known words and the time within which something happens.

    >>> said_besides("closed_within_6m", words.CLOSED), said_besides("closed_tickets", words.CLOSED)
    ([], ['tickets'])
    """
    return [part for part in without_window(name).split("_") if part and not re.fullmatch(known, part)]
