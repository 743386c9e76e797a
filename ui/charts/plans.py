"""Charts of a plan and of what became of it: other ways to spend the same budget, and what was promised beside what
was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.schema import Estimate, money
from ui.charts.base import SMALL, Chart, drawn, drawn_once
from ui.charts.parts import folded
from ui.look import Look

ROW = 52


@drawn_once
def ways(margins: Mapping[str, Estimate], customers: Mapping[str, int], currency: str, look: Look) -> Chart:
    """What the same budget brings by several rules, the plan first: expected incremental margin with its band."""
    names, found = list(margins), list(margins.values())
    colours = [look.accent, *([look.muted] * (len(names) - 1))]
    figure = go.Figure(go.Bar(
        x=[one.value for one in found], y=[folded(name) for name in names], orientation="h", marker_color=colours,
        text=[money(one.value, currency) for one in found], textposition="outside", cliponaxis=False,
        customdata=[[customers[name], money(one.low, currency), money(one.high, currency)]
                    for name, one in margins.items()],
        hovertemplate="%{y}: %{text} from %{customdata[0]:,} customers, 90 % interval %{customdata[1]} to "
                      "%{customdata[2]}<extra></extra>"))
    _bands(figure, found, look)
    drawn(figure, look, height=max(SMALL, 70 + ROW * len(names)), x=_unit("expected incremental margin", currency),
          x_format="~s")
    low, high = min(0.0, *(one.low for one in found)), max(0.0, *(one.high for one in found))
    room = 0.2 * (high - low or 1)
    figure.update_xaxes(range=[low - room, high + room])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_layout(shapes=[*figure.layout.shapes, {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
                                                         "yref": "paper", "line": {"color": look.muted, "width": 1}}])
    table = pd.DataFrame({"Rule": names, "Customers": [customers[name] for name in names], **_ends(found, currency)})
    return Chart("What other rules would make of the same budget", "The plan beside targeting by risk, by the same "
                 "offers, limits and arithmetic. Bands hold 90 %.", figure, table)


@drawn_once
def promised(rows: Sequence[tuple[str, Estimate, Estimate]], what: str, currency: str, look: Look) -> Chart:
    """What was expected beside what was measured, one pair of intervals for each row."""
    figure = go.Figure()
    ends = [0.0, *(end for row in rows for one in row[1:] for end in (one.low, one.high))]
    middle = (min(ends) + max(ends)) / 2
    sides = ((-0.16, [row[1] for row in rows], "promised", look.muted),
             (0.16, [row[2] for row in rows], "measured", look.accent))
    for shift, found, name, colour in sides:
        at = [number + shift for number in range(len(rows))]
        figure.add_trace(go.Scatter(
            x=[one.value for one in found], y=at, mode="markers+text", marker={"color": colour, "size": 10}, name=name,
            text=[f" {name} {money(one.value, currency) if currency else f'{one.value:,.1f}'}" for one in found],
            textposition=["top right" if one.value < middle else "top left" for one in found], cliponaxis=False,
            textfont={"size": 12, "color": look.text},
            error_x={"type": "data", "symmetric": False, "array": [one.high - one.value for one in found],
                     "arrayminus": [one.value - one.low for one in found], "width": 0, "thickness": 6,
                     "color": look.faded(colour, 0.35)},
            hovertemplate=f"{name}: %{{x:,.1f}}<extra></extra>"))
    drawn(figure, look, height=max(SMALL, 90 + 2 * ROW * len(rows)), x=_unit(what, currency),
          x_format="~s" if currency else "")
    figure.update_yaxes(showgrid=False, tickvals=list(range(len(rows))), ticktext=[folded(row[0]) for row in rows],
                        range=[len(rows) - 0.4, -0.6])
    figure.add_vline(0, line_color=look.muted, line_width=1)
    table = pd.DataFrame([{"Part": name, "": word, "Value": one.value, "Low end": one.low, "High end": one.high,
                           "Customers": one.n}
                          for name, planned, measured in rows
                          for word, one in (("promised", planned), ("measured", measured))])
    return Chart(f"{what[0].upper()}{what[1:]}: promised, and measured", "The plan's expectation of the same "
                 "customers, with its 90 % interval where that is theirs, beside the difference from the holdout, with "
                 "its 95 % interval.", figure, table)


def _bands(figure: go.Figure, found: Sequence[Estimate], look: Look) -> None:
    figure.update_layout(shapes=[{
        "type": "rect", "x0": one.low, "x1": one.high, "y0": place - 0.14, "y1": place + 0.14, "line": {"width": 0},
        "fillcolor": look.faded(look.text, 0.25)} for place, one in enumerate(found)])


def _ends(found: Sequence[Estimate], currency: str) -> dict[str, list[float]]:
    ends = {"Margin": "value", "Low end": "low", "High end": "high"}
    return {_unit(head, currency): [round(getattr(one, end), 2) for one in found] for head, end in ends.items()}


def _unit(what: str, currency: str) -> str:
    return f"{what} [{currency}]" if currency else what
