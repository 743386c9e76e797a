"""What a feature can be: a Column, and one of a few frozen records that say how it follows from the events.

    Count, Days, Sum, Distinct, Largest, Recency, Age, Last, Until      straight from the events before a moment
    Share, Less, Trend, Season, MeanGap, Streak                         from those

Nothing is computed here: engine/data/features/layer.py makes one expression of a table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir

from engine.schema import Column

DAY, YEAR, UNIT = 86_400, 365, 10_000

Look = Callable[[ir.Table, str], ir.Table]


# ------------------------------------------------------------------------------------------------- from events

@dataclass(frozen=True)
class Part:
    """Something found straight from the events of one kind (or of several) before the moment.

    days: at most so many days old; 0 = ever. since: more than so many days old. flag: a look that must hold.
    """

    kind: str | tuple[str, ...]
    days: int = 0
    since: int = 0
    flag: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of event that count."""
        return (self.kind,) if isinstance(self.kind, str) else self.kind

    def parts(self) -> tuple[Part, ...]:
        """What must be found in the events."""
        return (self,)

    def value(self, found: Found) -> ir.Value:
        """The feature's value."""
        return found[self].cast("float64")

    def aggregate(self, seen: ir.Table) -> ir.Value:  # noqa: ARG002
        """The whole number (or last value) per moment and customer."""
        raise AssertionError("a Part is one of its kinds")

    def earlier(self, days: int) -> Part:
        """The same of a window that lies so many days further back."""
        return replace(self, days=self.days + days, since=self.since + days)

    def where(self, seen: ir.Table) -> ir.Value:
        """Which events count."""
        fits = seen.kind.isin(list(self.kinds))
        fits = fits & seen[self.flag] if self.flag else fits
        fits = fits & (seen.age_s <= self.days * DAY) if self.days else fits
        return (fits & (seen.age_s > self.since * DAY) if self.since else fits).fill_null(False)


@dataclass(frozen=True)
class Count(Part):
    """How many events."""

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The number of events."""
        return self.where(seen).cast("int64").sum().fill_null(0)


@dataclass(frozen=True)
class Days(Part):
    """How many days with such an event (UTC)."""

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The number of different days."""
        return seen.day.nunique(where=self.where(seen)).cast("int64").fill_null(0)


@dataclass(frozen=True)
class Of(Part):
    """Something about a column of the events; `per`: how many of its whole numbers are one of the feature's unit."""

    of: str = "amount"
    per: float = UNIT

    def value(self, found: Found) -> ir.Value:
        """The column's whole number in the feature's unit."""
        return found[self].cast("float64") / float(self.per)

    def known(self, seen: ir.Table) -> ir.Value:
        """Which events count and say something."""
        return self.where(seen) & seen[self.of].notnull()


@dataclass(frozen=True)
class Sum(Of):
    """The sum over the events; 0 without any."""

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The exact sum."""
        return seen[self.of].sum(where=self.where(seen)).cast("int64").fill_null(0)


@dataclass(frozen=True)
class Largest(Of):
    """The largest value; missing without any."""

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The largest value."""
        return seen[self.of].max(where=self.known(seen))


@dataclass(frozen=True)
class Last(Of):
    """The latest known value as of the moment; of events at one instant, that of the last id."""

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The value at the latest event."""
        return seen[self.of].argmax(seen.turn, where=self.known(seen))


@dataclass(frozen=True)
class Until(Last):
    """Days from the moment to the latest known time of the column, a look in seconds."""

    per: float = DAY

    def value(self, found: Found) -> ir.Value:
        """The days to come; negative when it is past."""
        return (found[self] - found.seen.as_of_s).cast("float64") / float(self.per)


@dataclass(frozen=True)
class LastText(Last):
    """The latest known text, a category."""

    def value(self, found: Found) -> ir.Value:
        """The text."""
        return found[self]


@dataclass(frozen=True)
class Distinct(Of):
    """How many different values."""

    per: float = 1.0

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The number of different values."""
        return seen[self.of].nunique(where=self.known(seen)).cast("int64").fill_null(0)


@dataclass(frozen=True)
class Recency(Part):
    """Time since the latest such event; whole: in calendar days (yesterday = 1), for events known by the day.

    per: how many days one of the feature's unit is.
    """

    whole: bool = False
    per: float = 1.0

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The age of the latest event [seconds, or days]."""
        return (seen.age_days if self.whole else seen.age_s).min(where=self.where(seen))

    def value(self, found: Found) -> ir.Value:
        """The age in the feature's unit."""
        return found[self].cast("float64") / ((1.0 if self.whole else DAY) * self.per)


@dataclass(frozen=True)
class Age(Recency):
    """Time since the first such event."""

    def aggregate(self, seen: ir.Table) -> ir.Value:
        """The age of the first event [seconds, or days]."""
        return (seen.age_days if self.whole else seen.age_s).max(where=self.where(seen))


# -------------------------------------------------------------------------------------------------- from those

@dataclass(frozen=True)
class Share:
    """One of two over the other; missing where that is 0. `times`: what the ratio is multiplied by."""

    of: How
    among: How
    times: float = 1.0

    def parts(self) -> tuple[Part, ...]:
        """What both need."""
        return (*self.of.parts(), *self.among.parts())

    def value(self, found: Found) -> ir.Value:
        """The ratio."""
        among = self.among.value(found)
        return self.of.value(found) * self.times / (among != 0).ifelse(among, ibis.null("float64"))


@dataclass(frozen=True)
class Less:
    """One of two less the other."""

    of: How
    less: How

    def parts(self) -> tuple[Part, ...]:
        """What both need."""
        return (*self.of.parts(), *self.less.parts())

    def value(self, found: Found) -> ir.Value:
        """The difference."""
        return self.of.value(found) - self.less.value(found)


@dataclass(frozen=True)
class Trend:
    """A window against the window of the same length before it: (now - before) / (now + before), 0 if both are 0."""

    of: Part

    def parts(self) -> tuple[Part, ...]:
        """Both windows."""
        return (self.of, self.of.earlier(self.of.days))

    def value(self, found: Found) -> ir.Value:
        """The change, -1..1."""
        now, before = (part.value(found) for part in self.parts())
        both = now + before
        return ((now - before) / (both != 0).ifelse(both, ibis.null("float64"))).fill_null(0.0)


@dataclass(frozen=True)
class Season:
    """The days that follow the moment, as they were a year before; missing where the data do not reach so far."""

    of: Part

    def ahead(self) -> Part:
        """The window a year ago."""
        return replace(self.of, days=YEAR, since=YEAR - self.of.days)

    def parts(self) -> tuple[Part, ...]:
        """The window a year ago."""
        return (self.ahead(),)

    def value(self, found: Found) -> ir.Value:
        """What was there a year ago."""
        return (found.seen.known_s >= YEAR * DAY).ifelse(self.ahead().value(found), ibis.null("float64"))


@dataclass(frozen=True)
class MeanGap:
    """Mean days between the days with such an event; missing with one such day."""

    kind: str
    flag: str = ""

    def parts(self) -> tuple[Part, ...]:
        """The first day, the last, and how many."""
        return (Age(self.kind, flag=self.flag, whole=True), Recency(self.kind, flag=self.flag, whole=True),
                Days(self.kind, flag=self.flag))

    def value(self, found: Found) -> ir.Value:
        """The mean gap in days."""
        first, last, days = (part.value(found) for part in self.parts())
        return (first - last) / (days > 1).ifelse(days - 1.0, ibis.null("float64"))


@dataclass(frozen=True)
class Streak:
    """Days in a row with such an event up to the day before the moment; 0 where that day had none. Needs the look of
    `runs` under the name `look`."""

    kind: str
    look: str

    def parts(self) -> tuple[Part, ...]:
        """The last day and how long its run is."""
        return (Recency(self.kind, whole=True), Last(self.kind, of=self.look, per=1.0))

    def value(self, found: Found) -> ir.Value:
        """The length of the run in days."""
        last, run = (part.value(found) for part in self.parts())
        return (last <= 1.0).fill_null(False).ifelse(run, 0.0)


How = Part | Share | Less | Trend | Season | MeanGap | Streak


@dataclass(frozen=True)
class Found:
    """The parts found, as columns of the aggregated table `seen`."""

    seen: ir.Table
    names: Mapping[Part, str]

    def __getitem__(self, part: Part) -> ir.Value:
        return self.seen[self.names[part]]


@dataclass(frozen=True)
class Feature:
    """One feature: its column, and how it follows from the events."""

    column: Column
    how: How

    def told_by(self, kinds: Collection[str]) -> bool:
        """Whether events of these kinds can tell it."""
        return all(any(kind in kinds for kind in part.kinds) for part in self.how.parts())


@dataclass(frozen=True)
class FeatureTable:
    """Everything that one kind of company's features need.

    among: whom a moment asks about, from the parts of `asks` and the spine's reach_s. extras: columns of the events
    beside EVENTS. looks: columns that look back, each found from those before it. Kinds that the events hold none of
    take their features with them, unless `always`.
    """

    name: str
    features: tuple[Feature, ...]
    asks: tuple[Part, ...]
    among: Callable[[Found], ir.Value]
    extras: tuple[str, ...] = ()
    looks: Mapping[str, Look] = field(default_factory=dict)
    always: bool = False

    def of_kinds(self, kinds: Collection[str], names: Sequence[str] | None = None) -> tuple[Feature, ...]:
        """The features that events of these kinds can tell; `names`: those of them that are wanted."""
        return tuple(feature for feature in self.features if (self.always or feature.told_by(kinds))
                     and (names is None or feature.column.name in names))
