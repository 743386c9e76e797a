"""One customer: how likely to leave, why, when, what a change would bring, and who is alike. Drawn from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from engine.insight.levers import Levers, Step
from engine.schema import plural, share
from ui.charts.base import MEDIUM, SMALL, Chart, drawn, drawn_once
from ui.charts.overview import inside
from ui.charts.parts import folded, ink_on, safe
from ui.look import Look

HALF_TURN = 180
BAND, SPAN = (0.70, 1.0), (0.54, 0.66)
MIDDLE, TOP, REACH = 0.17, 1.07, 1.13
WIDE_ENOUGH = 0.09
DIAL = 208
STRENGTH = 0.85
MOST_STEPS = 8
ROW = 30
LEAST_MARK, MOST_MARK = 5, 13
HALF_A_MONTH = pd.Timedelta(days=15)
ROOM_ABOVE = {"l": 8, "r": 12, "t": 42, "b": 8}
LATE_MONTH = 16
LABEL_MONTHS, LABEL_ROOM = 10, 16
MOST_TICKS = 6
NEAR_AN_END = 0.3
NO_ADVICE = "What the model expects; no advice to be in touch, for this customer is held back."


def _note(look: Look, text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """A short text at a place of the picture."""
    return {"text": text, "x": x, "y": y, "showarrow": False, "font": {"size": 12, "color": look.muted}} | more


def _upright(at: float, colour: str, dash: str) -> dict[str, Any]:
    """A line from bottom to top at a place of the axis."""
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
            "line": {"color": colour, "dash": dash, "width": 1.3}}


def _anchor(at: float, low: float, high: float) -> str:
    """Which end of a text stands at this place of an axis, so that it stays within the picture.

    >>> [_anchor(at, 0, 10) for at in (1, 5, 9)]
    ['left', 'center', 'right']
    """
    place = (at - low) / (high - low)
    return "left" if place < NEAR_AN_END else "right" if place > 1 - NEAR_AN_END else "center"


def _ends(look: Look, ends: Sequence[tuple[float, str, str, int]], reach: Sequence[float]) -> dict[str, Any]:
    """Upright lines with words above them: (place, words, dash, how far up)."""
    notes = [_note(look, words, at, 1, yref="paper", yanchor="bottom", yshift=up, xanchor=_anchor(at, *reach))
             for at, words, _, up in ends]
    return {"shapes": [_upright(at, look.muted, dash) for at, _, dash, _ in ends], "annotations": notes}


# ---- how likely


@drawn_once
def gauge(record: Mapping[str, Any], look: Look) -> Chart:
    """The chance to leave on a half circle: three bands, the threshold's tick, the interval as a thinner arc."""
    p, low, high, line = (float(record[name]) for name in
                          ("churn_probability", "churn_low", "churn_high", "threshold"))
    bands = _bands(record["bands"])
    figure = go.Figure([*(_arc(*ends, BAND, look.faded(look.risk[name], STRENGTH),
                               f"{name.capitalize()} risk: {share(ends[0])} to {share(ends[1])}")
                          for name, ends in bands.items()),
                        _arc(low, high, SPAN, look.faded(look.accent, 0.55),
                             f"90 % interval: {share(low)} to {share(high)}"),
                        _needle(p, (0.44, 1.04), look.text, 4), _needle(line, (0.66, 1.06), look.muted, 2),
                        *(_at(HALF_TURN * sum(ends) / 2, sum(BAND) / 2, f"<b>{name.lower()}</b>", 12,
                              ink_on(look, look.risk[name], STRENGTH))
                          for name, ends in bands.items() if ends[1] - ends[0] >= WIDE_ENOUGH),
                        _at(90, MIDDLE, f"<b>{100 * p:.0f} %</b>", 30, look.text),
                        _at(90, TOP, "50 %", 12, look.muted)])
    interval = f"90 % interval {100 * low:.0f} to {100 * high:.0f} %"
    _dial(figure, look, _note(look, interval, 0.5, 0, yanchor="bottom"))
    days = record["horizon_days"]
    data = pd.DataFrame({
        "Figure": ["Chance to leave", "90 % interval, from", "90 % interval, to", "Threshold for action",
                   *(f"{name.capitalize()} risk up to" for name in bands)],
        "Value": [share(value) for value in (p, low, high, line, *(end for _, end in bands.values()))]})
    return Chart(
        f"{str(record['churn_risk']).capitalize()} risk of leaving", f"Chance to leave within {days} days. Thin tick: "
        f"the threshold for action, {share(line)}. Inner arc: the 90 % interval.", figure, data,
        f"Gauge: {share(p)} chance to leave within {days} days, 90 % interval {share(low)} to {share(high)}, "
        f"{record['churn_risk']} risk; the threshold is {share(line)}.")


def _bands(cuts: Sequence[float]) -> dict[str, tuple[float, float]]:
    """From where to where each risk band reaches.

    >>> _bands([0.1, 0.5])
    {'LOW': (0.0, 0.1), 'MEDIUM': (0.1, 0.5), 'HIGH': (0.5, 1.0)}
    """
    edges = [0.0, *(min(max(float(cut), 0.0), 1.0) for cut in cuts), 1.0]
    return dict(zip(("LOW", "MEDIUM", "HIGH"), pairwise(edges), strict=True))


def _arc(start: float, end: float, ring: tuple[float, float], colour: str, words: str) -> go.Barpolar:
    inner, outer = ring
    return go.Barpolar(theta=[HALF_TURN * (start + end) / 2], width=[HALF_TURN * (end - start)], base=inner,
                       r=[outer - inner], marker={"color": colour, "line": {"width": 0}},
                       hovertemplate=f"{words}<extra></extra>")


def _needle(at: float, reach: tuple[float, float], colour: str, width: int) -> go.Scatterpolar:
    return go.Scatterpolar(theta=[HALF_TURN * at] * 2, r=list(reach), mode="lines", hoverinfo="skip",
                           line={"color": colour, "width": width})


def _at(angle: float, reach: float, text: str, size: int, colour: str) -> go.Scatterpolar:
    return go.Scatterpolar(theta=[angle], r=[reach], mode="text", text=[text], hoverinfo="skip",
                           textfont={"size": size, "color": colour})


def _dial(figure: go.Figure, look: Look, interval: dict[str, Any]) -> None:
    """A half circle from 0 % at the left to 100 % at the right."""
    drawn(figure, look, height=DIAL).update_layout(
        overwrite=True, margin={"l": 4, "r": 4, "t": 0, "b": 4}, annotations=[interval],
        polar={"sector": [0, HALF_TURN], "bgcolor": "rgba(0,0,0,0)",
               "angularaxis": {"direction": "clockwise", "rotation": HALF_TURN, "showgrid": False, "showline": False,
                               "showticklabels": False, "ticks": ""},
               "radialaxis": {"visible": False, "range": [0, REACH]}})


# ---- when


@drawn_once
def months_ahead(record: Mapping[str, Any], look: Look) -> Chart:
    """The curve of the months to come, with the label window."""
    ahead, (title, says, y) = record["ahead"], _told(record)
    months, curve = ahead["months"], [100 * value for value in ahead["curve"]]
    window, at_window = ahead["window_months"], _between(curve, ahead["window_months"])
    figure = go.Figure([
        go.Scatter(x=months, y=curve, mode="lines", line={"color": look.accent, "width": 2.5}, fill="tozeroy",
                   fillcolor=look.faded(look.accent, 0.10),
                   hovertemplate="In %{x:.0f} months: %{y:.0f} %<extra></extra>"),
        go.Scatter(x=[window], y=[at_window], mode="markers", hoverinfo="skip",
                   marker={"color": look.accent, "size": 9, "line": {"color": look.surface, "width": 2}})])
    shapes = [{"type": "rect", "x0": 0, "x1": window, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
               "line": {"width": 0}, "fillcolor": look.faded(look.muted, 0.14)}]
    notes = [_note(look, f"{at_window:.0f} % after {record['horizon_days']} days", window, at_window, xanchor="left",
                   xshift=10, yshift=12, font={"size": 12, "color": look.text})]
    if ahead["peak"]:
        late, at = ahead["peak"] >= LATE_MONTH, ahead["peak"] - 0.5
        low = min(curve[int(at) : int(at) + LABEL_MONTHS]) < LABEL_ROOM and not late
        shapes.append(_upright(at, look.risk["HIGH"], "dot"))
        notes.append(_note(look, f"likeliest: month {ahead['peak']}", at, 102 if low else 2,
                           yanchor="top" if low else "bottom", xanchor="right" if late else "left",
                           xshift=-4 if late else 4))
    drawn(figure, look, height=SMALL, x="months from now", y=y)
    figure.update_layout(overwrite=True, shapes=shapes, annotations=notes)
    figure.update_xaxes(dtick=6, range=[0, months[-1]]).update_yaxes(range=[0, 104], ticksuffix=" %", dtick=25)
    data = pd.DataFrame({"Months from now": months, f"{y.capitalize()} [%]": [round(value, 1) for value in curve]})
    return Chart(title, says, figure, data, f"{title}: {y}, {_course(curve)} {ahead['words']}")


def _told(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Title, explanation and axis by what the curve is."""
    ahead, shaded = record["ahead"], f"Shaded: the {record['horizon_days']} days that the chance to leave is about."
    words = NO_ADVICE if record["hold_back"] and not record["has_left"] else ahead["words"]
    if ahead["kind"] == "order":
        return "How long until the next order", f"{words} {shaded}", "no order so far"
    return "How long the customer is likely to stay", f"{words} {shaded}", "still here"


def _between(curve: Sequence[float], at: float) -> float:
    """The curve's value between two whole months.

    >>> _between([100.0, 80.0, 40.0], 1.5)
    60.0
    """
    before = min(int(at), len(curve) - 2)
    return curve[before] + (curve[before + 1] - curve[before]) * (at - before)


def _course(curve: Sequence[float]) -> str:
    half, last = curve[len(curve) // 2], curve[-1]
    return f"{half:.0f} % after {len(curve) // 2} months, {last:.0f} % after {len(curve) - 1}."


# ---- why


@drawn_once
def waterfall(record: Mapping[str, Any], look: Look) -> Chart:
    """From the typical customer's chance to this one's, family by family: log-odds apart, labelled in per cent."""
    way, p = record["way"], float(record["churn_probability"])
    table = _steps(way, p)
    figure = go.Figure(go.Bar(
        y=[folded(name, 22) for name in table["name"]], x=table["contribution"], base=table["start"], orientation="h",
        marker={"color": [look.loss if up else look.gain for up in table["contribution"] > 0], "line": {"width": 0}},
        text=[f"{points:+.1f}" for points in table["points"]], textposition="outside", cliponaxis=False,
        textfont={"size": 12, "color": look.text}, customdata=table[["words", "contribution", "percent"]],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]:+.2f} log-odds; the chance so far: %{customdata[2]:.0f} %"
                      "<extra></extra>"))
    ticks = _ticks(way, [*table["start"], *table["end"]])
    ends = ((way["base"], f"typical {100 * way['typical']:.0f} %", "dot", 16),
            (way["total"], f"this customer {100 * p:.0f} %", "solid", 0))
    drawn(figure, look, height=116 + ROW * len(table), x="chance to leave [%]").update_layout(
        overwrite=True, bargap=0.35, margin=ROOM_ABOVE, **_ends(look, ends, ticks["range"]))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(**ticks)
    data = table[["name", "contribution", "points", "percent", "words"]].round(3).set_axis(
        ["What", "Contribution [log-odds]", "Points of chance", "Chance after it [%]", "In words"], axis=1)
    moves = "; ".join(f"{row.name} {row.points:+.1f} points" for row in table.itertuples(index=False))
    return Chart(
        f"What moves the chance from {share(way['typical'])} to {share(p)}",
        "From a typical customer to this one: red raises the chance, green lowers it. Figures are points of chance in "
        "this order; lengths are the model's log-odds, which add up.", figure, data,
        f"From {share(way['typical'])} for a typical customer to {share(p)}: {moves}")


def _steps(way: Mapping[str, Any], p: float) -> pd.DataFrame:
    """The strongest families and all others together: where each begins and ends, and what it does to the chance."""
    shown = way["steps"][:MOST_STEPS]
    rest = len(way["steps"]) - len(shown)
    others = way["total"] - way["base"] - sum(step["contribution"] for step in shown)
    last = {"name": plural(rest, "other") if rest else "All together", "contribution": others,
            "words": "Everything else together", "after": p}
    table = pd.DataFrame([*shown, *([last] if rest or not shown else [])],
                         columns=["name", "contribution", "words", "after"])
    end = way["base"] + table["contribution"].cumsum()
    percent = 100 * table["after"]
    return table.assign(end=end, start=end - table["contribution"], percent=percent, words=table["words"].map(safe),
                        points=percent - percent.shift(fill_value=100 * way["typical"]))


def _ticks(way: Mapping[str, Any], reached: Sequence[float]) -> dict[str, Any]:
    """The axis' ends, and its round chances that do not crowd."""
    low, high = min(reached), max(reached)
    margin = max(0.16 * (high - low), 0.15)
    least = (high - low + 2 * margin) / MOST_TICKS
    kept: list[tuple[float, str]] = []
    for tick in way["scale"]:
        at = tick["log_odds"]
        if low - margin <= at <= high + margin and (not kept or at - kept[-1][0] >= least):
            kept.append((at, f"{100 * tick['chance']:g}"))
    return {"range": [low - margin, high + margin], "tickvals": [at for at, _ in kept],
            "ticktext": [text for _, text in kept], "tickangle": 0}


# ---- beside others


@drawn_once
def radar(beside: pd.DataFrame, segment: str, look: Look) -> Chart:
    """The customer against her segment's median, as percentiles within all customers."""
    axes = [folded(axis, 12) for axis in beside["axis"]]
    figure = go.Figure([
        _outline(axes, beside["median_percentile"], beside["median"], f"Median of {segment}", look, look.muted, False),
        _outline(axes, beside["percentile"], beside["value"], "This customer", look, look.accent, True)])
    polar = {
        "bgcolor": "rgba(0,0,0,0)",
        "angularaxis": {"tickfont": {"size": 12, "color": look.text}, "gridcolor": look.border,
                        "linecolor": look.border, "ticks": "", "direction": "clockwise", "rotation": 90},
        "radialaxis": {"range": [0, 100], "tickvals": [25, 50, 75], "gridcolor": look.border, "angle": 90, "ticks": "",
                       "tickangle": 90, "tickfont": {"size": 10, "color": look.muted}, "showline": False}}
    names = _note(look, f'<span style="color:{look.accent}"><b>━</b></span> this customer   '
                  f'<span style="color:{look.muted}"><b>┅</b></span> median {segment}', 0.5, 0, xref="paper",
                  yref="paper", yanchor="top", yshift=-38, font={"size": 12, "color": look.text})
    drawn(figure, look, height=MEDIUM + 40).update_layout(
        overwrite=True, margin={"l": 72, "r": 72, "t": 44, "b": 66}, polar=polar, annotations=[names])
    apart = (beside["percentile"] - beside["median_percentile"]).abs()
    title, most = f"Beside the median {segment}", beside["axis"].iloc[apart.argmax()]
    data = beside.round({"percentile": 0, "median_percentile": 0}).set_axis(
        ["What", "This customer", f"Median of {segment}", "Percentile", "Median's percentile"], axis=1)
    return Chart(title, f"What stands out most: {inside(most)}. Percentiles within all customers who are still there: "
                 "50 is the middle, 100 the greatest.", figure, data, f"{title}. " + "; ".join(
                     f"{row.axis} {row.value}, percentile {row.percentile:.0f} against {row.median_percentile:.0f}"
                     for row in beside.itertuples()))


def _outline(axes: Sequence[str], percentiles: pd.Series, words: pd.Series, name: str, look: Look, colour: str,
             solid: bool) -> go.Scatterpolar:
    """One closed outline, with words for each of its corners."""
    closed = [*range(len(axes)), 0]
    return go.Scatterpolar(
        theta=[axes[at] for at in closed], r=[percentiles.iloc[at] for at in closed], name=name,
        customdata=[safe(words.iloc[at]) for at in closed], fill="toself",
        fillcolor=look.faded(colour, 0.22 if solid else 0.12), mode="lines+markers" if solid else "lines",
        marker={"size": 6, "color": colour}, line={"color": colour, "width": 2, "dash": "solid" if solid else "dot"},
        hovertemplate="%{theta}: %{customdata}<br>percentile %{r:.0f}<extra>" + name + "</extra>")


# ---- what if


@drawn_once
def alone(levers: Levers, look: Look) -> Chart:
    """What each lever by itself would bring, at its best option; the lowest chance first."""
    best = _best(levers.alone)
    chances, names = [100 * step.probability for step in best], [folded(step.words, 24) for step in best]
    now, line = 100 * levers.now, 100 * levers.threshold
    most = max(now, line, *chances) * 1.2
    figure = go.Figure(go.Scatter(
        x=[at for chance in chances for at in (now, chance, None)], y=[name for name in names for _ in range(3)],
        mode="lines", line={"color": look.faded(look.accent, 0.35), "width": 4}, hoverinfo="skip"))
    figure.add_trace(go.Scatter(
        x=chances, y=names, mode="markers+text", marker={"color": look.accent, "size": 11}, cliponaxis=False,
        text=[f"{chance:.0f} %" for chance in chances], textfont={"size": 12, "color": look.text},
        textposition=["middle left" if chance <= now else "middle right" for chance in chances],
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>"))
    ends = ((now, f"now {now:.0f} %", "solid", 0), (line, f"threshold {line:.0f} %", "dot", 15))
    drawn(figure, look, height=104 + (ROW + 6) * len(best), x="chance to leave [%]").update_layout(
        overwrite=True, margin=ROOM_ABOVE, **_ends(look, ends, (0, most)))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(range=[0, most])
    data = pd.DataFrame({"Lever": [step.words for step in levers.alone],
                         "Chance to leave [%]": [round(100 * step.probability, 1) for step in levers.alone]})
    title = _enough(levers, best)
    return Chart(title, "The chance to leave if one lever alone were moved to its best option, all else as it is.",
                 figure, data, f"{title}. Now {now:.0f} %. " + "; ".join(
                     f"{step.words} {100 * step.probability:.0f} %" for step in best))


def _enough(levers: Levers, best: Sequence[Step]) -> str:
    below = sum(step.probability < levers.threshold for step in best)
    if levers.now < levers.threshold:
        return "What each lever alone would bring"
    return f"{plural(below, 'lever')} would be enough alone" if below else "No lever is enough alone"


def _best(alone: Sequence[Step]) -> list[Step]:
    """The first, and so the lowest, of each lever."""
    found: dict[str, Step] = {}
    for step in alone:
        found.setdefault(next(iter(step.changes)), step)
    return list(found.values())


# ---- what happened


@drawn_once
def timeline(months: pd.DataFrame, look: Look) -> Chart:
    """What happened, by month and kind; larger marks are more of it, diamonds are trouble."""
    most = months.groupby("kind")[["events", "quantity"]].transform("max")
    amount = (months["events"] / most["events"]).where(months["kind"] != "usage",
                                                       months["quantity"] / most["quantity"].replace(0, 1))
    size = LEAST_MARK + (MOST_MARK - LEAST_MARK) * amount.clip(0, 1) ** 0.5
    figure = go.Figure()
    for trouble, colour, symbol in ((False, look.accent, "circle"), (True, look.loss, "diamond")):
        part = months[months["trouble"] == trouble]
        figure.add_trace(go.Scatter(
            x=part["month"], y=part["name"], mode="markers", customdata=part["words"].map(safe),
            marker={"color": look.faded(colour, 0.75), "symbol": symbol, "line": {"width": 0},
                    "size": size[part.index]}, hovertemplate="%{x|%b %Y}: %{customdata}<extra></extra>"))
    kinds = months.groupby("name")["trouble"].first().sort_values(kind="stable").index.tolist()
    drawn(figure, look, height=64 + ROW * len(kinds)).update_yaxes(categoryorder="array", categoryarray=kinds[::-1])
    first, last = months["month"].min(), months["month"].max()
    every = pd.date_range(first, last, freq="MS")
    ticks = every[:: -(-len(every) // MOST_TICKS)]
    figure.update_xaxes(tickvals=ticks, ticktext=[f"{tick:%b}<br>{tick:%Y}" for tick in ticks], tickangle=0,
                        showgrid=False, range=[first - HALF_A_MONTH, last + HALF_A_MONTH])
    data = pd.DataFrame({"Month": months["month"].dt.strftime("%Y-%m"), "Kind": months["name"],
                         "What": months["words"]})
    troubles = int(months.loc[months["trouble"], "events"].sum())
    return Chart("What happened, month by month", "Larger marks are more of it in that month; red diamonds are "
                 "trouble.", figure, data, f"From {data['Month'].min()} to {data['Month'].max()}: "
                 f"{int(months['events'].sum())} events, {troubles} of them trouble.")
