"""Charts of Segment Analysis: value beside risk, segments by the groups of a feature, two segments compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from engine.insight.quadrant import COLUMNS, CORNERS, ROWS, Axes, Plane
from engine.schema import SEGMENTS, Column, around, money, plural, share
from ui.charts.base import MEDIUM, TALL, Chart, drawn, drawn_once
from ui.charts.overview import plain_money, round_steps, unit
from ui.charts.parts import folded, ink_on, marked, rows, safe
from ui.look import Look

PLACE = ["column", "row"]
SAVE_FIRST = next(iter(CORNERS))
WIDEST, NARROWEST = 26.0, 6.0
FEW = 20
MOST_DIFFERENCES = 10
ROW = 44
TITLE = "Value beside risk"
BELOW_THE_TICKS = 26
LEAST_GAP = 0.075
DRAGS: Mapping[str, str | bool] = {"Click": False, "Box": "select", "Lasso": "lasso"}
PLACES = dict(zip(CORNERS, ((1, 1), (0, 1), (0, 0), (1, 0)), strict=True))
HOW = {"Click": "Click one to see who they are, more with the shift key.", "Box": "Draw a box to see who they are.",
       "Lasso": "Draw around some to see who they are."}


@drawn_once
def bins(plane: Plane, axes: Axes, by: str, currency: str, look: Look, corner: str = "") -> Chart:
    """The plane counted in bins: a marker's area goes with its customers, its custom data are its column and row.

    by: how customers are selected in it, one of DRAGS. corner: the one that is picked and therefore shaded.
    """
    table = plane.bins
    most = float(table["customers"].max())
    words = [f"<b>{plural(row.customers, 'customer')}</b>, mostly {row.segment} ({share(row.segment_share)})<br>"
             f"{share(row.churn_probability)} chance to leave, worth {money(row.expected_ltv, currency)} on average<br>"
             f"{money(row.margin_at_risk, currency)} margin at risk" for row in rows(table)]
    figure = go.Figure(go.Scatter(
        x=(table["column"] + 0.5) / COLUMNS, y=axes.value((table["row"].to_numpy() + 0.5) / ROWS), mode="markers",
        customdata=table[PLACE], hovertemplate=[f"{told}<extra></extra>" for told in words],
        marker=_marker(look, [look.segments[name] for name in table["segment"]], _sizes(table["customers"], most))))
    _on_the_plane(figure, axes, by, currency, look, corner)
    _name_segments(figure, table.rename(columns={"customers": "weight"}), axes, look)
    says = f"Each marker stands for customers of like risk and value, its area for how many. {axes.words} {HOW[by]}"
    data = pd.DataFrame({
        "Chance to leave, mean": table["churn_probability"].map(share),
        unit("Expected LTV, mean", currency): table["expected_ltv"].round(2), "Customers": table["customers"],
        "Mostly": table["segment"], unit("Margin at risk", currency): table["margin_at_risk"].round(2)})
    return Chart(_to_save(plane.corners, currency), says, figure, data.sort_values("Customers", ascending=False),
                 _in_words(plane.corners))


@drawn_once
def points(found: pd.DataFrame, plane: Plane, axes: Axes, by: str, currency: str, look: Look,
           corner: str = "") -> Chart:
    """The plane with a point per customer, whose custom data begin with its id."""
    traces, (before, behind) = [], around(currency)
    for name in SEGMENTS:
        part = found[found["segment"] == name]
        traces.append(go.Scattergl(
            x=part["churn_probability"].astype(np.float32), mode="markers",
            marker=_marker(look, look.segments[name], 6.0),
            y=part["expected_ltv"].clip(axes.value_low, axes.value_high),
            customdata=np.column_stack([part["customer_id"], part["customer_id"].map(safe),
                                        part[["expected_ltv", "margin_at_risk"]].round(2)]),
            hovertemplate=f"<b>%{{customdata[1]}}</b>, {name}<br>%{{x:.1%}} chance to leave, worth {before}"
                          f"%{{customdata[2]:,.2f}}{behind}<br>{before}%{{customdata[3]:,.2f}}{behind} margin at risk"
                          "<extra></extra>"))
    figure = go.Figure(traces)
    _on_the_plane(figure, axes, by, currency, look, corner)
    _name_segments(figure, found.assign(weight=1), axes, look)
    says = f"Each point is a customer. {axes.words} {HOW[by]}"
    data = pd.DataFrame({
        "Customer": found["customer_id"], "Chance to leave": found["churn_probability"].map(share),
        unit("Expected LTV", currency): found["expected_ltv"].round(2), "Segment": found["segment"]})
    return Chart(_to_save(plane.corners, currency), says, figure, data, _in_words(plane.corners))


def _marker(look: Look, colour: str | list[str], size: float | list[float]) -> dict[str, object]:
    return {"color": colour, "size": size, "opacity": 0.85, "line": {"color": look.surface, "width": 1}}


def _sizes(customers: pd.Series, most: float) -> list[float]:
    return [max(NARROWEST, WIDEST * (count / most) ** 0.5) for count in customers]


def _to_save(corners: pd.DataFrame, currency: str) -> str:
    """What to see first: how many lie in the corner to save first, and what is at risk there."""
    first = next(row for row in rows(corners) if row.corner == SAVE_FIRST)
    if not first.customers:
        return "Nobody in view is both worth more and riskier than most"
    return (f"{plural(first.customers, 'customer')} to save first, with {money(first.margin_at_risk, currency)} margin "
            "at risk")


def _in_words(corners: pd.DataFrame) -> str:
    told = "; ".join(f"{row.corner} ({row.means}): {plural(row.customers, 'customer')}" for row in rows(corners))
    return f"{TITLE}. {told}."


def _on_the_plane(figure: go.Figure, axes: Axes, by: str, currency: str, look: Look, corner: str) -> None:
    """Axes, the two cuts, the names of the corners, and the picked one shaded."""
    drawn(figure, look, height=TALL + 60, x="chance to leave", y=unit("expected LTV", currency), x_format=".0%")
    margin = 0.04
    ends = axes.value(np.array([-margin, 1 + margin]))
    figure.update_xaxes(range=[-0.02, 1.02], showgrid=False, fixedrange=True, title_standoff=BELOW_THE_TICKS)
    figure.update_yaxes(showgrid=False, fixedrange=True)
    if axes.ratios:
        ticks = [tick for tick in round_steps(axes.value_low, axes.value_high) if ends[0] <= tick <= ends[1]]
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[plain_money(tick, currency) for tick in ticks],
                            range=[float(np.log10(end)) for end in ends])
    else:
        figure.update_yaxes(range=[float(end) for end in ends], tickformat="~s")
    figure.update_layout(dragmode=DRAGS[by], margin_t=34, newselection_line={"color": look.accent, "width": 2})
    dotted = {"color": look.muted, "dash": "dot"}
    marked(figure, [*_cuts(axes, currency, look), *_corners(look)],
           [{"x": axes.risk_cut} | dotted, {"y": axes.value_cut} | dotted])
    if corner:
        x, y = PLACES[corner]
        figure.add_shape(
            type="rect", layer="below", line_width=0, fillcolor=look.faded(look.accent, 0.12),
            x0=axes.risk_cut if x else -0.02, x1=1.02 if x else axes.risk_cut,
            y0=axes.value_cut if y else float(ends[0]), y1=float(ends[1]) if y else axes.value_cut)


def _cuts(axes: Axes, currency: str, look: Look) -> list[dict[str, Any]]:
    """What the two lines stand for."""
    told = {"font": {"size": 11, "color": look.muted}, "bgcolor": look.faded(look.surface, 0.8)}
    return [told | {"x": axes.risk_cut, "y": 0, "yref": "paper", "yanchor": "bottom", "xanchor": "left",
                    "text": f"average {share(axes.risk_cut)}"},
            told | {"x": 1, "xref": "paper", "y": _height(axes, axes.value_cut), "xanchor": "right",
                    "yanchor": "bottom", "text": f"median {money(axes.value_cut, currency)}"}]


def _height(axes: Axes, value: float) -> float:
    """Where an annotation at a value belongs: on a scale of ratios Plotly wants its logarithm."""
    return float(np.log10(value)) if axes.ratios else value


def _corners(look: Look) -> list[dict[str, Any]]:
    return [{"x": x, "y": y, "xref": "paper", "yref": "paper", "text": f"<b>{name}</b>",
             "xanchor": "right" if x else "left", "yanchor": "bottom" if y else "top", "yshift": 4 if y else -22,
             "font": {"size": 13, "color": look.text}} for name, (x, y) in PLACES.items()]


def _name_segments(figure: go.Figure, table: pd.DataFrame, axes: Axes, look: Look) -> None:
    """Each segment's name where most of its customers lie, none over another."""
    middles = {}
    for name, part in table.groupby("segment"):
        told = np.column_stack([part["churn_probability"], axes.place(part["expected_ltv"].to_numpy(dtype=float))])
        middles[str(name)] = np.average(told, axis=0, weights=part["weight"].to_numpy(dtype=float))
    heights = apart([float(place) for _, place in middles.values()], LEAST_GAP)
    marked(figure, [{
        "x": float(x), "y": _height(axes, float(axes.value(np.array(place)))), "text": name,
        "xanchor": "right" if x > 0.75 else "left" if x < 0.15 else "center", "borderpad": 2,
        "font": {"size": 12, "color": look.text}, "bgcolor": look.faded(look.surface, 0.8),
        "bordercolor": look.segments[name]} for (name, (x, _)), place in zip(middles.items(), heights, strict=True)])


def apart(places: Sequence[float], gap: float) -> list[float]:
    """The places, neighbours that are closer than the gap pushed away from each other, in their order.

    >>> apart([0.5, 0.9, 0.51], 0.1)
    [0.455, 0.9, 0.555]
    """
    order, moved = np.argsort(places, kind="stable"), np.array(places, dtype=float)
    for _ in range(len(places) ** 2):
        for low, high in pairwise(order):
            push = max(gap - (moved[high] - moved[low]), 0.0) / 2
            moved[low], moved[high] = moved[low] - push, moved[high] + push
    return [round(float(place), 6) for place in moved]


@drawn_once
def heatmap(found: pd.DataFrame, column: Column, look: Look) -> Chart:
    """Mean chance to leave by segment and group, with the customers it rests on; darker is riskier."""
    chance = found.pivot(index="segment", columns="group", values="churn_probability").dropna(how="all")
    count = found.pivot(index="segment", columns="group", values="customers").reindex(chance.index).fillna(0)
    names = [folded(str(group), 16) for group in chance.columns]
    risks, counts = chance.to_numpy().tolist(), count.to_numpy().astype(int).tolist()
    cells = [list(zip(*row, strict=True)) for row in zip(risks, counts, strict=True)]
    words = [[f"<b>{segment}</b>, {column.title}: {safe(str(group))}<br>"
              + (f"{share(risk)} chance to leave on average, {plural(of, 'customer')}" if of else "nobody")
              for group, (risk, of) in zip(chance.columns, row, strict=True)]
             for segment, row in zip(chance.index, cells, strict=True)]
    figure = go.Figure(go.Heatmap(
        z=chance.where(count >= FEW), x=names, y=list(chance.index), customdata=words, zmin=0, zmax=1, xgap=3, ygap=3,
        colorscale=[[0, look.surface], [1, look.risk["HIGH"]]], showscale=False, hoverongaps=False,
        hovertemplate="%{customdata}<extra></extra>"))
    drawn(figure, look, height=96 + 46 * len(chance))
    marked(figure, [{"x": name, "y": segment, "text": _cell(risk, of),
                     "font": {"size": 12, "color": look.muted if of < FEW else
                              ink_on(look, look.risk["HIGH"], risk)}}
                    for segment, row in zip(chance.index, cells, strict=True)
                    for name, (risk, of) in zip(names, row, strict=True)])
    figure.update_xaxes(side="top", showgrid=False, type="category").update_yaxes(
        autorange="reversed", showgrid=False, type="category", tickfont_color=look.text)
    says = ("Mean chance to leave, and the customers it rests on in brackets; darker is riskier. Groups of fewer than "
            f"{FEW} customers are too small to tell.")
    data = pd.DataFrame({"Segment": found["segment"], column.title: found["group"], "Customers": found["customers"],
                         "Mean chance to leave": found["churn_probability"].map(share)})
    return Chart(_sharpest(found, column), says, figure, data)


def _cell(chance: float, count: int) -> str:
    if not count:
        return "·"
    return f"<b>{100 * chance:.0f} %</b> ({count:,})" if count >= FEW else f"({count:,})"


def _sharpest(found: pd.DataFrame, column: Column) -> str:
    """Where the feature parts customers of one segment most, among groups large enough to tell."""
    known = found[found["customers"] >= FEW]
    ends = known.groupby("segment", observed=True)["churn_probability"].agg(["min", "max"])
    gap = (ends["max"] - ends["min"]).dropna()
    if gap.empty or gap.max() < 0.01:
        return f"{column.title} parts the customers of no segment"
    low, high = (100 * float(ends[name][gap.idxmax()]) for name in ("min", "max"))
    return f"{column.title} parts {gap.idxmax()} most: {low:.0f} % to {high:.0f} % leave"


@drawn_once
def differences(found: pd.DataFrame, one: str, other: str, look: Look) -> Chart:
    """By what two segments differ most, in standard deviations; to the right what the first has more of."""
    table = found.head(MOST_DIFFERENCES)
    names = [f"{folded(row.title, 30)}<br><span style='color:{look.muted}'>{both}</span>" for row in rows(table)
             for both in [folded(f"{row.one} · {row.other}", 26)]]
    figure = go.Figure(go.Bar(
        x=table["size"], y=names, orientation="h",
        marker_color=[look.segments[one if size > 0 else other] for size in table["size"]],
        hovertemplate=[f"<b>{safe(row.title)}</b><br>{one}: {safe(row.one)}<br>{other}: {safe(row.other)}<br>"
                       f"{abs(row.size):.1f} standard deviations apart<extra></extra>" for row in rows(table)]))
    drawn(figure, look, height=max(MEDIUM, 90 + ROW * len(table)), x="difference [SD]")
    most = 1.15 * max(float(table["size"].abs().max()), 0.1)
    figure.update_xaxes(range=[-most, most]).update_yaxes(autorange="reversed", showgrid=False,
                                                          tickfont_color=look.text)
    figure.layout.margin.t = 44
    marked(figure, lines=[{"x": 0, "color": look.muted}], notes=[
        {"x": 0, "y": 1, "yref": "paper", "text": words, "xanchor": anchor, "yanchor": "bottom", "xshift": shift,
         "font": {"size": 12, "color": look.text}}
        for anchor, shift, words in (("right", -6, f"more in<br>← {other}"), ("left", 6, f"more in<br>{one} →"))])
    says = (f"Under each feature the mean, or the share, of {one} and then of {other}; their difference in standard "
            "deviations (SD). Of the features that the model rests on most.")
    data = table[["title", "one", "other", "size"]].assign(size=table["size"].round(2)).set_axis(
        ["Feature", one, other, "Difference [standard deviations]"], axis=1)
    return Chart(f"{one} and {other} differ most in {table['title'].iloc[0]}", says, figure, data)
