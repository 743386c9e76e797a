"""Two models held against each other: how far the challenger is ahead by each measure, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from engine.insight.card_words import METRICS
from engine.prediction.challenge import MORE_IS_BETTER
from ui.charts.base import Chart, drawn
from ui.charts.parts import interval_dots
from ui.look import Look

ROW, ROOM = 44, 80


def ahead(record: Mapping[str, Any], look: Look) -> Chart:
    """How far the challenger is ahead of the champion, from a comparison that has differences."""
    names = [name for name in record["metrics"] if name in record["differences"]]
    told = pd.DataFrame([_ahead(name, record["differences"][name]) for name in names])
    titles = [METRICS[name][0] for name in names]
    figure = go.Figure(interval_dots(
        told["value"], told["low"], told["high"], titles, look,
        colours=[_colour(record["verdicts"][name], look) for name in names],
        hover="%{y}: %{x:+.2f} hundredths<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}"))
    figure.add_vline(0, line={"color": look.muted, "dash": "dot", "width": 1})
    drawn(figure, look, height=ROW * len(names) + ROOM, x="challenger ahead [hundredths]")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return Chart(_title(record, names),
                 "How far the challenger is ahead, in hundredths of each measure, on the same rows, with 95 % "
                 "intervals of paired differences. Right of 0 it is better; an interval that holds 0 tells nothing.",
                 figure, table(record))


def _ahead(name: str, difference: Mapping[str, float]) -> dict[str, float]:
    """The difference as an advantage, in hundredths."""
    ends = [100 * (1 if name in MORE_IS_BETTER else -1) * difference[end] for end in ("value", "low", "high")]
    return {"value": ends[0], "low": min(ends[1:]), "high": max(ends[1:])}


def _colour(verdict: str, look: Look) -> str:
    return {"better": look.gain, "worse": look.loss}.get(verdict, look.muted)


def _title(record: Mapping[str, Any], names: list[str]) -> str:
    by = {verdict: [METRICS[name][0] for name in names if record["verdicts"][name] == verdict]
          for verdict in ("better", "worse")}
    told = [f"{verdict} by {', '.join(found)}" for verdict, found in by.items() if found]
    return f"The challenger is {' and '.join(told)}" if told else "The two cannot be told apart"


def table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Each measure of both, the difference, and the verdict, in words."""
    return pd.DataFrame([_row(record, name) for name in record["metrics"] if name in record["differences"]])


def _row(record: Mapping[str, Any], name: str) -> dict[str, str]:
    champion, challenger, minus = (record[part][name] for part in ("champion_metrics", "challenger_metrics",
                                                                   "differences"))
    return {"Measure": METRICS[name][0], "The challenger is": record["verdicts"][name],
            "Challenger minus champion": _spelt(minus, "+.4f"), "Champion": _spelt(champion, ".3f"),
            "Challenger": _spelt(challenger, ".3f")}


def _spelt(estimate: Mapping[str, float], style: str) -> str:
    value, low, high = (format(estimate[name], style) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
