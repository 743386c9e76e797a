"""What every chart owes its readers, as checks that tests of any chart can use."""

from __future__ import annotations

import re

import plotly.graph_objects as go

from ui.charts.base import Chart
from ui.look import DARK, LIGHT

MOST_POINTS = 10_000


def the_same(one: Chart, other: Chart) -> None:
    """The same words, figure and table."""
    assert (one.title, one.says, one.alt) == (other.title, other.says, other.alt)
    assert one.figure.to_json() == other.figure.to_json()
    assert one.data.equals(other.data)


def speaks(chart: Chart) -> None:
    """A title without a full stop, an explanation with one, a table, and no raw name or gap anywhere."""
    assert chart.title and not chart.title.endswith(".")
    assert chart.says.endswith(".")
    assert len(chart.data) > 0
    shown = [chart.title, chart.says, chart.alt, *map(str, chart.data.columns), *texts(chart.figure)]
    raw = [text for text in shown if re.search(r"[a-z]_[a-z]|\bnan\b|\bNone\b", text)]
    assert not raw, f"raw names or gaps are shown: {raw}"


def texts(figure: go.Figure) -> list[str]:
    """What the figure writes: axis titles, labels, names of lines and annotations."""
    layout = figure.layout
    labels = [text for axis in (layout.xaxis, layout.yaxis) for text in (axis.title.text, *(axis.ticktext or ()))]
    names = [trace.name for trace in figure.data]
    return [str(text) for text in (*labels, *names, *(note.text for note in layout.annotations)) if text is not None]


def small_enough(chart: Chart) -> None:
    """Few enough points for a browser."""
    assert 0 < points(chart.figure) <= MOST_POINTS


def points(figure: go.Figure) -> int:
    """How many points go to the browser."""
    return sum(sum(map(len, trace.z)) if trace.type == "heatmap" else len(_along(trace)) for trace in figure.data)


def _along(trace: go.Scatter) -> list:
    """A trace's points, on whichever axis it has them."""
    axes = (trace[name] for name in ("x", "theta", "y") if name in trace)
    return next((list(values) for values in axes if values is not None), [])


def in_both_looks(light: Chart, dark: Chart) -> None:
    """The same words and table, each look's own colours."""
    assert light.data.equals(dark.data) and light.title == dark.title
    assert (light.figure.layout.font.color, dark.figure.layout.font.color) == (LIGHT.text, DARK.text)
    assert [trace.to_json() for trace in light.figure.data] != [trace.to_json() for trace in dark.figure.data]
