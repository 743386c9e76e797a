"""The digest's small pictures, as inline SVG: each a function of figures, in the house's colours, with its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from engine.decision.recovery import Simulation
from engine.schema import SEGMENTS, Estimate, money
from engine.schema.wording import SIGNS

TEXT, MUTED, FAINT, ACCENT, SOFT = "#1C2430", "#667085", "#E4E4DF", "#1D6A73", "#CFE0E1"
RAISES, LOWERS = "#C8443C", "#3A8F7B"
SEGMENT_COLOURS = dict(zip(SEGMENTS, ("#2B4C9B", "#C8443C", "#6C8FD6", "#E08A3C", "#9AA5B1", "#B08A86"), strict=True))
WIDE, HIGH, LEFT, BELOW, ABOVE = 360.0, 168.0, 46.0, 30.0, 16.0


def svg(width: float, height: float, says: str, body: str) -> str:
    """A picture with its words for those who do not see it."""
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="100%" role="img" aria-label="{escape(says)}">{body}</svg>'


def rect(x: float, y: float, width: float, height: float, colour: str, radius: float = 1.5) -> str:
    """A filled rectangle."""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="{radius:g}" '
            f'fill="{colour}"/>')


def text(x: float, y: float, words: str, colour: str = MUTED, anchor: str = "start", bold: bool = False) -> str:
    """Words at a place."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="10" text-anchor="{anchor}"'
            f'{" font-weight=" + chr(34) + "600" + chr(34) if bold else ""}>{escape(words)}</text>')


def line(points: Sequence[tuple[float, float]], colour: str, width: float = 2.0) -> str:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"/>'


def dot(x: float, y: float, colour: str, radius: float = 4.0) -> str:
    """A point with a white rim."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}" stroke="#FFFFFF" stroke-width="1.5"/>'


def interval(found: Estimate, most: float) -> str:
    """Where a figure and its interval lie between nothing and all there is."""
    low, middle, high = (100 * value / most if most else 0.0 for value in (found.low, found.value, found.high))
    says = f"{found.value:,.0f}, 90 % interval {found.low:,.0f} to {found.high:,.0f}, of {most:,.0f}"
    body = (rect(0, 3, 100, 2, FAINT, 1) + rect(low, 1.5, max(high - low, 0.8), 5, "#8FB7BB", 2)
            + rect(middle - 0.5, 0, 1, 8, ACCENT, 0.5))
    return svg(100, 8, says, body).replace("<svg ", '<svg preserveAspectRatio="none" height="8" ')


def split_bar(first: float, second: float, most: float, says: str, colours: tuple[str, str] = (RAISES, LOWERS)) -> str:
    """Two parts of one bar, on a scale up to `most`."""
    scale = 100 / most if most else 0.0
    body = rect(0, 0, 100, 8, "#F4F5F2", 0) + rect(0, 0, first * scale, 8, colours[0], 0) + rect(
        first * scale, 0, second * scale, 8, colours[1], 0)
    return svg(100, 8, says, body).replace("<svg ", '<svg preserveAspectRatio="none" height="8" ')


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers that cover a range.

    >>> ticks(-900, 12_200)
    [0.0, 5000.0, 10000.0]
    """
    rough = (high - low or 1.0) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    return [step * at for at in range(math.ceil(low / step), math.floor(high / step) + 1)]


class Plane:
    """A chart's area: data to places, and its axes."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x0, self.x1 = x if x[1] > x[0] else (x[0], x[0] + 1)
        self.y0, self.y1 = y if y[1] > y[0] else (y[0] - 1, y[1] + 1)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point."""
        return (LEFT + (x - self.x0) / (self.x1 - self.x0) * (WIDE - LEFT - 14),
                HIGH - BELOW - (y - self.y0) / (self.y1 - self.y0) * (HIGH - BELOW - ABOVE))

    def rows(self, currency: str) -> str:
        """Faint lines with their amounts."""
        drawn = ""
        for value in ticks(self.y0, self.y1):
            x, y = self.at(self.x0, value)
            drawn += line([(x, y), (WIDE - 14, y)], MUTED if value == 0 else FAINT, 1) + text(
                x - 6, y + 3.5, short(value, currency), anchor="end")
        return drawn

    def columns(self, currency: str) -> str:
        """Amounts along the bottom."""
        return "".join(text(self.at(value, self.y0)[0], HIGH - BELOW + 14, short(value, currency), anchor="middle")
                       for value in ticks(self.x0, self.x1))


def short(value: float, currency: str) -> str:
    """An amount as an axis has room for it.

    >>> short(5_000, "USD"), short(0, "USD"), short(-250_000, "GBP"), short(1_500_000, "")
    ('$5k', '$0', '-£250k', '1.5M')
    """
    size, unit = next(((size, unit) for size, unit in ((1e6, "M"), (1e3, "k")) if abs(value) >= size), (1.0, ""))
    return f"{'-' if value < 0 else ''}{SIGNS.get(currency, '')}{abs(value) / size:g}{unit}"


def budget_curve(found: Simulation, currency: str) -> str:
    """The net return as the budget grows, with its band, the best budget and the one asked about."""
    curve, total = found.curve, found.total
    low, high = float(curve["net_low"].min()), float(curve["net_high"].max())
    plane = Plane((0.0, float(curve["investment"].max())), (min(low, 0.0), max(high, 0.0)))
    spent = curve["investment"].tolist()
    upper, lower, middle = ([plane.at(x, y) for x, y in zip(spent, curve[name].tolist(), strict=True)]
                            for name in ("net_high", "net_low", "net"))
    band = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
    drawn = f'<polygon points="{band}" fill="{SOFT}"/>' + plane.rows(currency) + plane.columns(currency) + line(
        middle, ACCENT)
    drawn += _marked(plane.at(total.investment, total.net.value), f"{money(total.net.value, currency)} net")
    drawn += text(WIDE - 14, HIGH - 3, f"investment{f' [{currency}]' if currency else ''}", anchor="end")
    return svg(WIDE, HIGH, f"Net return as the budget grows; best at {money(found.best, currency)}", drawn)


def _marked(place: tuple[float, float], words: str) -> str:
    x, y = place
    return dot(x, y, ACCENT) + text(min(x, WIDE - 50), max(y - 9, 10), words, TEXT, "middle", bold=True)


def course(values: Sequence[float], says: str) -> str:
    """A figure over the runs so far, the last one marked."""
    low, high = min(values), max(values)
    step, room = 92 / (len(values) - 1), (high - low) or 1.0
    points = [(4 + step * at, 12.5 - 9 * (value - low) / room) for at, value in enumerate(values)]
    return svg(100, 16, says, line(points, ACCENT, 1) + dot(*points[-1], ACCENT, 2))
