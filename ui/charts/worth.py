"""How good the values are: predicted against actual on data not seen, level by decile, survival by decile.

Every chart is drawn from a model's card alone, and is None where the card does not hold what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from engine.insight.trust import part
from engine.schema import ModelCard, money, share
from ui.charts.base import TALL, Chart, drawn
from ui.charts.parts import beside, key
from ui.look import Look

MOST_TICKS = 6
RIGHT = 0.0005
KNOWN = (" What a month brings is read from the data, so only staying is predicted; leavers count half of the "
         "window.")


def _what(card: ModelCard, kind: str) -> tuple[Any, str]:
    """The card's table of that kind ("deciles", "density") and what its money is."""
    within = part(card, "ltv", f"window_{kind}")
    if within:
        return within, f"margin within {card.horizon_days} days"
    return part(card, "ltv", kind), "margin per month"


def predicted_and_actual(card: ModelCard, look: Look, currency: str) -> Chart | None:
    """How many customers were predicted and brought how much."""
    told, what = _what(card, "density")
    if not told:
        return None
    edges, counts = told["edges"], np.array(told["counts"])
    names = [f"{money(low, currency)} to {money(high, currency)}" for low, high in pairwise(edges)]
    figure = _density(counts, names, look)
    drawn(figure, look, height=TALL, x=f"predicted {what}", y=f"actual {what}")
    ticks = np.linspace(0, len(counts), MOST_TICKS).round().astype(int)
    axis = {"tickvals": ticks - 0.5, "ticktext": [_short(edges[at], currency) for at in ticks], "showgrid": False}
    figure.update_xaxes(**axis).update_yaxes(**axis)
    filled = [(names[column], names[row], int(counts[row, column])) for row, column in zip(*np.nonzero(counts),
                                                                                          strict=True)]
    gini, r2 = card.metrics["ltv"]["gini"], card.metrics["ltv"]["r2"]
    return Chart(
        f"Customers are ranked by value with a Gini of {gini.value:.2f} out of 1",
        f"Predicted against actual {what} of customers and periods not learned from; darker is more rows, scales are "
        f"finer near 0. R2 {beside(r2, 2)}.{KNOWN if part(card, 'ltv', 'window_density') else ''} Good: dark along the "
        "dotted line. Bad: a cloud without direction.", figure,
        pd.DataFrame(filled, columns=["Predicted", "Actual", "Rows"]),
        f"Density of predicted against actual {what} over {int(counts.sum()):,} rows.")


def _short(value: float, currency: str) -> str:
    """Money on an axis: without its cents."""
    return money(value, currency).split(".")[0] if 1 <= value < 100 or value == 0 else money(value, currency)


def _density(counts: np.ndarray, names: Sequence[str], look: Look) -> go.Figure:
    """Counts as cells, darker with each tenfold, and the line on which predictions would be right."""
    size = len(counts)
    words = [[[f"{counts[row, column]:,}", names[column], names[row]] for column in range(size)] for row in range(size)]
    figure = go.Figure(go.Heatmap(
        z=np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan), x=np.arange(size), y=np.arange(size),
        colorscale=[[0, look.faded(look.accent, 0.12)], [1, look.accent]], showscale=False, xgap=1, ygap=1,
        customdata=words, hoverongaps=False, hovertemplate="%{customdata[0]} rows<br>predicted %{customdata[1]}<br>"
                                                          "actual %{customdata[2]}<extra></extra>"))
    return figure.add_shape(type="line", x0=-0.5, y0=-0.5, x1=size - 0.5, y1=size - 0.5,
                            line={"color": look.muted, "dash": "dot", "width": 1})


def value_deciles(card: ModelCard, look: Look, currency: str) -> Chart | None:
    """Mean predicted and mean actual value by tenth of the prediction."""
    told, what = _what(card, "deciles")
    if not told:
        return None
    frame = pd.DataFrame(told)
    figure = _by_decile(frame, look, lambda value: money(value, currency))
    unit = currency or "unit of the file"
    drawn(figure, look, height=TALL, x="tenth of the customers by predicted value, lowest first",
          y=f"mean {what} [{unit}]")
    figure.update_xaxes(tickvals=frame["decile"]).update_yaxes(rangemode="tozero")
    key(figure, look, {"predicted": look.accent, "actual": look.text}, "top left")
    return Chart(
        _added_up(card.metrics["ltv"]["total_error"].value),
        f"Mean predicted and actual {what} of each tenth of the customers; bars are 95 % intervals. Good: dots "
        "on the line, in every tenth. Bad: a gap that grows to the right, where the money is.", figure,
        _decile_table(frame, unit))


def _added_up(total: float) -> str:
    """How far the sum of the predictions is off, in words.

    >>> _added_up(-0.0261), _added_up(0.00002)
    ('Predicted values are 2.6 % too low in total', 'Predicted values add up to what came')
    """
    if abs(total) < RIGHT:
        return "Predicted values add up to what came"
    return f"Predicted values are {share(abs(total))} too {'low' if total < 0 else 'high'} in total"


def survival_deciles(card: ModelCard, look: Look) -> Chart | None:
    """New customers who would still be there after twelve months by tenth of the prediction, predicted and observed."""
    told = part(card, "ltv", "first_year_deciles")
    if not told:
        return None
    frame = pd.DataFrame(told)
    shares = ["predicted", "actual", "low", "high"]
    shown = frame.assign(**{name: 100 * frame[name] for name in shares})
    figure = _by_decile(shown, look, lambda value: f"{value:.1f} %")
    drawn(figure, look, x="tenth of the customers in their first year by predicted survival, lowest first",
          y="still there after 12 months [%]")
    figure.update_xaxes(tickvals=frame["decile"])
    key(figure, look, {"predicted": look.accent, "observed": look.text}, "bottom right")
    missed = card.metrics["ltv"]["first_year_error"].value
    return Chart(
        f"Survival of new customers over 12 months is off by {100 * missed:.1f} points on average",
        f"Of customers who join, how many would still be there after 12 months [%], if every {card.horizon_days} days "
        f"cost as many as the {card.horizon_days} days after {card.as_of:%d %b %Y} did at the same tenure. Observed: "
        "life table of those in their first year then; bars are 95 % intervals. Good: bars on the line.", figure,
        _decile_table(shown, "%"))


def _by_decile(frame: pd.DataFrame, look: Look, words: Callable[[float], str]) -> go.Figure:
    """The prediction as a line, what came as dots with their intervals where the card holds them."""
    error = {} if "low" not in frame else {"error_y": {
        "type": "data", "symmetric": False, "array": frame["high"] - frame["actual"], "width": 0, "thickness": 4,
        "arrayminus": frame["actual"] - frame["low"], "color": look.faded(look.text, 0.3)}}
    said = [[words(predicted), words(actual), count] for predicted, actual, count in
            zip(frame["predicted"], frame["actual"], frame["count"], strict=True)]
    hover = "predicted %{customdata[0]}, actual %{customdata[1]}<br>%{customdata[2]:,} rows<extra></extra>"
    return go.Figure([
        go.Scatter(x=frame["decile"], y=frame["predicted"], mode="lines+markers", customdata=said, hovertemplate=hover,
                   line={"color": look.accent, "width": 2.5}, marker={"size": 6}),
        go.Scatter(x=frame["decile"], y=frame["actual"], mode="markers", customdata=said, hovertemplate=hover,
                   marker={"color": look.text, "size": 9}, **error)])


def _decile_table(frame: pd.DataFrame, unit: str) -> pd.DataFrame:
    heads = {"decile": "Tenth", "predicted": f"Predicted [{unit}]", "actual": f"Actual [{unit}]",
             "low": f"Low [{unit}]", "high": f"High [{unit}]", "count": "Rows"}
    return frame[[name for name in heads if name in frame]].round(2).rename(columns=heads)
