"""Charts of effects: what each offer keeps, assumed by the playbook and moved by what was tried by chance."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.schema import Estimate
from ui.charts.base import SMALL, Chart, drawn, drawn_once
from ui.charts.parts import folded
from ui.look import Look

ROW = 46


@drawn_once
def kept(names: Sequence[str], assumed: Sequence[float], found: Sequence[Estimate], whom: str, look: Look) -> Chart:
    """The share of would-be leavers that each offer keeps: the assumption as a line, today's belief with its band."""
    labels = [folded(name) for name in names]
    figure = go.Figure([
        go.Scatter(x=[100 * one.value for one in found], y=labels, mode="markers",
                   marker={"color": [look.accent if one.n else look.muted for one in found], "size": 11},
                   error_x={"type": "data", "symmetric": False, "width": 0, "thickness": 6,
                            "array": [100 * (one.high - one.value) for one in found],
                            "arrayminus": [100 * (one.value - one.low) for one in found],
                            "color": look.faded(look.muted, 0.4)},
                   customdata=[[_tried(one), 100 * one.low, 100 * one.high] for one in found],
                   hovertemplate="%{y}: keeps %{x:.1f} % of would-be leavers (%{customdata[1]:.1f} to "
                                 "%{customdata[2]:.1f} %), %{customdata[0]}<extra></extra>"),
        go.Scatter(x=[100 * rate for rate in assumed], y=labels, mode="markers", hovertemplate="assumed: %{x:.1f} %"
                   "<extra></extra>", marker={"symbol": "line-ns", "size": 16, "line": {"color": look.text,
                                                                                        "width": 2}})])
    drawn(figure, look, height=max(SMALL, 70 + ROW * len(names)), x="would-be leavers kept [%]")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_layout(shapes=[{"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper",
                                  "line": {"color": look.muted, "width": 1}}])
    table = pd.DataFrame({"Treatment": list(names), "Assumed [%]": [round(100 * rate, 1) for rate in assumed],
                          "Believed now [%]": [round(100 * one.value, 1) for one in found],
                          "Low end [%]": [round(100 * one.low, 1) for one in found],
                          "High end [%]": [round(100 * one.high, 1) for one in found],
                          "Rests on": [_tried(one) for one in found]})
    says = (f"Share of would-be leavers kept among {whom}. The stroke is the playbook's assumption, the dot what is "
            "believed now, its band holds 90 %; coloured where it was tried by chance. Below zero an offer drives "
            "people away.")
    return Chart("What each offer keeps", says, figure, table)


def _tried(one: Estimate) -> str:
    return f"tried on {one.n:,} customers" if one.n else "an assumption"
