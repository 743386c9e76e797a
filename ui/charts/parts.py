"""What several charts are made of: lines with words, keys in place of legends, intervals, numbers in per cent."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from engine.schema import Estimate
from ui.look import Look

LEAST_MARKER, MOST_MARKER = 6.0, 17.0


def percent(values: Sequence[float]) -> list[float]:
    """Shares as per cent, to a tenth.

    >>> percent([0.1234, 1.0])
    [12.3, 100.0]
    """
    return [round(100 * value, 1) for value in values]


def key(figure: go.Figure, look: Look, lines: Mapping[str, str], corner: str, mark: str = "━") -> go.Figure:
    """The names of the lines in their colours: stacked in a corner that they leave free ("bottom right", ...), or in a
    row above the picture ("above")."""
    named = [f'<span style="color:{colour}"><b>{mark}</b></span> {name}' for name, colour in lines.items()]
    if corner == "above":
        figure.update_layout(margin={"t": 36})
        place: dict[str, Any] = {"x": 1, "y": 1.0, "xanchor": "right", "yanchor": "bottom"}
    else:
        vertical, horizontal = corner.split()
        place = {"x": 0.02 if horizontal == "left" else 0.99, "y": 0.03 if vertical == "bottom" else 0.99,
                 "xanchor": horizontal, "yanchor": vertical}
    return figure.add_annotation(text=("   " if corner == "above" else "<br>").join(named), xref="paper", yref="paper",
                                 align="left", showarrow=False, font={"size": 12, "color": look.text}, **place)


def rows(frame: pd.DataFrame) -> list[Any]:
    """A frame's rows, their columns as attributes."""
    return list(frame.itertuples())


def marked(figure: go.Figure, notes: Sequence[Mapping[str, Any]] = (),
           lines: Sequence[Mapping[str, Any]] = ()) -> go.Figure:
    """Annotations and straight lines, set all at once: one by one each takes Plotly milliseconds.

    A line goes across the whole picture at its x or y.
    """
    figure.layout.annotations = [*figure.layout.annotations, *({"showarrow": False} | dict(note) for note in notes)]
    figure.layout.shapes = [*figure.layout.shapes, *(_across(**told) for told in lines)]
    return figure


def _across(x: float | None = None, y: float | None = None, **line: Any) -> dict[str, Any]:
    ends = {"x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"} if y is None else {
        "x0": 0, "x1": 1, "y0": y, "y1": y, "xref": "paper"}
    return {"type": "line", "line": {"width": 1} | line, **ends}


def line(name: str, x: Iterable[Any], y: Iterable[Any], colour: str, hover: str, **more: Any) -> go.Scatter:
    """A line with words for each of its points."""
    return go.Scatter(x=list(x), y=list(y), mode="lines", name=name, hovertemplate=f"{hover}<extra>{name}</extra>",
                      line={"color": colour, "width": 2.5} | more)


def beside(estimate: Estimate, digits: int = 3) -> str:
    """A figure with its interval, as short as a key wants it.

    >>> beside(Estimate(0.848, 0.833, 0.861, 7000, ""))
    '0.848 (0.833 to 0.861)'
    """
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def chance_line(figure: go.Figure, look: Look, most: float = 100) -> go.Figure:
    """The dotted diagonal from 0 to `most`: chance, or perfect agreement."""
    return figure.add_shape(type="line", x0=0, y0=0, x1=most, y1=most, layer="below",
                            line={"color": look.muted, "dash": "dot", "width": 1})


def sizes(customers: pd.Series) -> list[float]:
    """Marker sizes whose areas go with the customers, within what can be seen and told apart [pixels]."""
    return [max(LEAST_MARKER, MOST_MARKER * (count / customers.max()) ** 0.5) for count in customers]


def interval_dots(value: pd.Series, low: pd.Series, high: pd.Series, names: Sequence[str], look: Look, *,
                  colours: Sequence[str], hover: str) -> go.Scatter:
    """Estimates as dots, one row each, with their intervals as bands behind them."""
    return go.Scatter(
        x=value, y=[folded(name) for name in names], mode="markers",
        customdata=pd.DataFrame({"low": low, "high": high}),
        marker={"color": list(colours), "size": 11, "line": {"color": look.surface, "width": 1}},
        error_x={"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low, "width": 0,
                 "thickness": 6, "color": look.faded(look.muted, 0.4)}, hovertemplate=f"{hover}<extra></extra>")


def safe(text: str) -> str:
    """Text from data, so that a chart shows its signs instead of reading them as markup.

    >>> safe("<b>5</b> & more")
    '&lt;b&gt;5&lt;/b&gt; &amp; more'
    """
    return html.escape(text, quote=False)


def folded(text: str, width: int = 24) -> str:
    """A long name from data in lines of at most so many letters, where its words allow.

    >>> folded("Time in the shop in the last 90 days")
    'Time in the shop in the<br>last 90 days'
    """
    return "<br>".join(map(safe, textwrap.wrap(text, width)))


def ink_on(look: Look, colour: str, strength: float = 1.0) -> str:
    """The ink that reads best on a colour laid over the surface with that strength [0..1]: the theme's text, or its
    surface.

    >>> from ui.look import LIGHT
    >>> [ink_on(LIGHT, LIGHT.risk[band]) == LIGHT.text for band in ("MEDIUM", "HIGH")]
    [True, False]
    """
    ends = zip(_channels(look.surface), _channels(colour), strict=True)
    paper = _luminance([low + strength * (high - low) for low, high in ends])
    return max((look.text, look.surface), key=lambda ink: _contrast(paper, _luminance(_channels(ink))))


def _channels(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def _luminance(channels: Sequence[float]) -> float:
    """Relative luminance [0..1] as WCAG defines it.

    >>> _luminance([1.0, 1.0, 1.0])
    1.0
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return round(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], 6)


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
