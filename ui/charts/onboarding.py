"""Charts that help to say what leaving means: how likely a quiet customer comes back."""

from __future__ import annotations

import plotly.graph_objects as go

from engine.data.doctor.silence import Silence
from ui.charts.base import SMALL, Chart, drawn, drawn_once
from ui.look import Look

HEADS = {"days": "Days of silence", "returns": "Come back [%]", "low": "Low end [%]", "high": "High end [%]",
         "silent": "Pauses so long"}


@drawn_once
def silence(found: Silence, look: Look) -> Chart:
    """The chance to come back by days of silence, with the number of days that is taken as having left."""
    curve = found.curve
    days = curve["days"]
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure = go.Figure([
        go.Scatter(x=days, y=100 * curve["high"], **band),
        go.Scatter(x=days, y=100 * curve["low"], fill="tonexty", fillcolor=look.faded(look.accent), **band),
        go.Scatter(x=days, y=100 * curve["returns"], mode="lines", line={"color": look.accent, "width": 2},
                   hovertemplate="silent for %{x} days: %{y:.0f} % come back<extra></extra>"),
    ])
    drawn(figure, look, height=SMALL, x="days of silence", y=f"come back within {found.ahead_days} days [%]")
    figure.update_yaxes(range=[0, 100])
    figure.add_vline(x=found.days, line={"color": look.text, "width": 1, "dash": "dot"},
                     annotation={"text": f"{found.days} days", "font": {"color": look.muted, "size": 12}})
    table = curve.assign(**{name: (100 * curve[name]).round(1) for name in ("returns", "low", "high")})
    says = (f"Of customers who have been silent so long, the share that comes back within {found.ahead_days} days, "
            f"with its 95 % band; from {found.gaps:,} pauses. The dotted line is what is taken as having left.")
    return Chart("How likely a quiet customer comes back", says, figure, table.rename(columns=HEADS))
