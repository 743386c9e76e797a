"""Charts of the overview: margin at risk and value by segment, value's spread, what drives risk, who moved where."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from engine.insight.distributions import Histogram
from engine.schema import cost, money, plural, share
from ui.charts.base import MEDIUM, SMALL, Chart, drawn, drawn_once
from ui.charts.parts import folded, ink_on, marked, rows, safe
from ui.look import Look

ROW = 46
MOST_DRIVERS = 6
MOST_TICKS = 6
ROOM_FOR_A_SUM = 0.2
FIRST_DIGITS = (1, 2, 5)
HALF = 0.42


@drawn_once
def margin_by_segment(segments: pd.DataFrame, currency: str, look: Look) -> Chart:
    """Margin at risk per segment, the largest first; a bar's custom data is its segment's name."""
    table = segments.sort_values("margin_at_risk", ascending=False, kind="stable")
    amounts = [money(value, currency) for value in table["margin_at_risk"]]
    words = [f"<b>{row.segment}</b>: {plural(row.customers, 'customer')} ({share(row.share)} of all)<br>"
             f"{row.leavers:,.0f} expected to leave, {amount} margin at risk ({share(row.margin_share)} of all)"
             for row, amount in zip(rows(table), amounts, strict=True)]
    figure = go.Figure(go.Bar(
        x=table["margin_at_risk"], y=table["segment"], orientation="h", customdata=table[["segment"]],
        marker_color=[look.segments[name] for name in table["segment"]], cliponaxis=False, textposition="outside",
        text=[f"{amount} · {share(part)}" for amount, part in zip(amounts, table["margin_share"], strict=True)],
        hovertemplate=[f"{told}<extra></extra>" for told in words]))
    drawn(figure, look, height=MEDIUM, x=unit("margin at risk", currency), x_format="~s")
    figure.update_xaxes(range=[0, 1.6 * (table["margin_at_risk"].max() or 1)], nticks=5)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_color=look.text)
    says = "Chance to leave x what the customer is worth if not, summed, and its share of all. Click a bar to open it."
    return Chart(f"{table['segment'].iloc[0]} holds the most margin at risk", says, figure,
                 _segments_table(table, currency))


def _segments_table(table: pd.DataFrame, currency: str) -> pd.DataFrame:
    return pd.DataFrame({
        "Segment": table["segment"], "Customers": table["customers"], "Share of customers": table["share"].map(share),
        "Mean chance to leave": table["churn_probability"].map(share), "Expected leavers": table["leavers"].round(1),
        unit("Margin at risk", currency): table["margin_at_risk"].round(2),
        "Share of margin at risk": table["margin_share"].map(share)})


def unit(words: str, currency: str) -> str:
    return f"{words} [{currency}]" if currency else words


@drawn_once
def ltv_by_segment(spread: pd.DataFrame, currency: str, look: Look) -> Chart:
    """Expected LTV within each segment: its density as a shape, the middle half as a bar, the median as a dot."""
    shapes, notes, dots = [], [], []
    for place, row in enumerate(rows(spread)):
        colour = look.segments[row.segment]
        outline = HALF * np.asarray(row.density)
        shapes += [go.Scatter(
            x=np.concatenate([row.x, row.x[::-1]]), y=np.concatenate([place + outline, (place - outline)[::-1]]),
            mode="lines", fill="toself", fillcolor=look.faded(colour, 0.3), line={"color": colour, "width": 1.2},
            hoverinfo="skip"), go.Scatter(x=[row.p25, row.p75], y=[place, place], mode="lines", hoverinfo="skip",
                                          line={"color": colour, "width": 6})]
        words = (f"<b>{row.segment}</b>: {plural(row.customers, 'customer')}<br>half are worth "
                 f"{money(row.p25, currency)} to {money(row.p75, currency)}, nine in ten {money(row.p5, currency)} to "
                 f"{money(row.p95, currency)}")
        dots.append(f"{words}<extra></extra>")
        notes.append({"x": float(np.log10(row.x[-1])), "y": place, "text": f" {cost(row.p50, currency)}",
                      "xanchor": "left"})
    colours = [look.segments[name] for name in spread["segment"]]
    figure = go.Figure([*shapes, go.Scatter(
        x=spread["p50"], y=list(range(len(spread))), mode="markers", hovertemplate=dots,
        marker={"color": look.surface, "size": 9, "line": {"color": colours, "width": 2.5}})])
    marked(drawn(figure, look, height=MEDIUM, x=unit("expected LTV", currency)), notes)
    ticks = round_steps(float(spread["p5"].min()), float(spread["p95"].max()), MOST_TICKS)
    low, high = min(x[0] for x in spread["x"]), max(x[-1] for x in spread["x"])
    ends = [low, high * (high / low) ** ROOM_FOR_A_SUM]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[plain_money(tick, currency) for tick in ticks],
                        range=[float(np.log10(end)) for end in ends], tickangle=0)
    figure.update_yaxes(tickvals=list(range(len(spread))), ticktext=list(spread["segment"]), showgrid=False,
                        range=[len(spread) - 0.45, -0.62], tickfont_color=look.text)
    table = spread[["segment", "customers", "p5", "p25", "p50", "p75", "p95"]].round(2).set_axis(
        ["Segment", "Customers", "5 % are worth at most", "25 %", "Median", "75 %", "95 %"], axis=1)
    says = ("The wider the shape the more customers are worth that much; the bar holds the middle half, the dot and "
            "the figure are the median.")
    return Chart("What a customer is worth, by segment", says, figure, table)


def plain_money(value: float, currency: str) -> str:
    """Money on an axis: without the cents of round numbers.

    >>> plain_money(20, "USD"), plain_money(50_000, "EUR"), plain_money(0.5, "")
    ('$20', '€50k', '0.50')
    """
    text = cost(value, currency)
    return text.replace(".00", "").replace(".0k", "k").replace(".0M", "M")


def round_steps(low: float, high: float, most: int = 8) -> list[float]:
    """1, 2 and 5 times the powers of ten between two positive ends, which they enclose; thinned above `most`.

    >>> round_steps(30, 600)
    [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
    """
    low, high = max(low, 1e-2), max(high, 2e-2)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = [digit * 10.0**power for power in powers for digit in FIRST_DIGITS]
    first = max(i for i, step in enumerate(steps) if step <= low)
    last = min((i for i, step in enumerate(steps) if step >= high), default=len(steps) - 1)
    kept = steps[first : last + 1]
    return kept if len(kept) <= most else [step for step in kept if np.isclose(np.log10(step) % 1, 0)]


@drawn_once
def histogram(found: Histogram, currency: str, look: Look) -> Chart:
    """Customers counted by a column of money, the median marked; those beyond the last bin are counted in it."""
    bins, title = found.bins, found.column.title
    ends = [f"{plain_money(left, currency)} to {plain_money(right, currency)}"
            for left, right in zip(bins["left"], bins["right"], strict=True)]
    if found.beyond and ends:
        ends[-1] = f"{plain_money(float(bins['left'].iloc[-1]), currency)} and more"
    shares = bins["customers"] / max(int(bins["customers"].sum()), 1)
    figure = go.Figure(go.Bar(
        x=(bins["left"] + bins["right"]) / 2, y=bins["customers"], width=bins["right"] - bins["left"],
        marker={"color": look.accent, "line": {"color": look.surface, "width": 1}},
        hovertemplate=[f"{end}: {plural(int(count), 'customer')}, {share(part)}<extra></extra>"
                       for end, count, part in zip(ends, bins["customers"], shares, strict=True)]))
    drawn(figure, look, height=MEDIUM, x=unit(inside(title), currency), y="customers", x_format="~s", y_format="~s")
    marked(figure, lines=[{"x": found.median, "color": look.text, "width": 1.5, "dash": "dot"}],
           notes=[{"x": found.median, "y": 1, "yref": "paper", "text": f"median {money(found.median, currency)}",
                   "bgcolor": look.faded(look.surface, 0.8), "xanchor": "left", "yanchor": "top"}])
    told = f" {plural(found.beyond, 'customer')} beyond the axis are counted in the last bar." if found.beyond else ""
    told += f" {plural(found.unknown, 'customer')} without a value are left out." if found.unknown else ""
    return Chart(f"How {inside(title)} is spread",
                 f"Customers by {inside(title)}, in steps of {plain_money(_width(bins), currency)}.{told}", figure,
                 pd.DataFrame({title: ends, "Customers": bins["customers"], "Share": shares.map(share)}))


def _width(bins: pd.DataFrame) -> float:
    return float((bins["right"] - bins["left"]).iloc[0])


@drawn_once
def drivers(found: pd.DataFrame, currency: str, look: Look) -> Chart:
    """How many customers each driver moves most, up to the right, down to the left."""
    table = found.head(MOST_DRIVERS)
    names = [folded(title, 28) for title in table["title"]]
    figure = go.Figure()
    for column, sign, colour, verb in (("raises", 1, look.loss, "raises"), ("lowers", -1, look.gain, "lowers")):
        told = [f"<b>{safe(row.title)}</b> {verb} the risk most for {plural(getattr(row, column), 'customer')}"
                + (f"<br>{money(row.margin_at_risk, currency)} margin at risk stand behind it" if sign > 0 else "")
                + f"<br>counted together: {safe(row.members)}<extra></extra>" for row in rows(table)]
        figure.add_bar(y=names, x=sign * table[column], orientation="h", marker_color=colour, hovertemplate=told,
                       text=[f"{count:,}" if count else "" for count in table[column]], textposition="outside",
                       cliponaxis=False)
    most = float(max(table["raises"].max(), table["lowers"].max(), 1))
    drawn(figure, look, height=max(SMALL, 84 + ROW * len(table)), x="customers")
    figure.update_layout(barmode="overlay", margin_t=30)
    figure.update_xaxes(range=[-1.9 * most, 1.9 * most], showticklabels=False, showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_color=look.text)
    marked(figure, lines=[{"x": 0, "color": look.muted}], notes=[
        {"x": 0, "y": 1, "yref": "paper", "text": words, "xanchor": anchor, "yanchor": "bottom", "xshift": shift,
         "font": {"size": 12, "color": look.muted}}
        for anchor, shift, words in (("right", -6, "← lowers the risk"), ("left", 6, "raises the risk →"))])
    says = ("Each customer counts once, for the strongest reason of the model; reasons that say the same thing count "
            "together.")
    first = f"{found['title'].iloc[0]} is the strongest driver for {share(found['share'].iloc[0])} of customers"
    return Chart(first, says, figure, _drivers_table(found, currency))


def inside(title: str) -> str:
    """A title within a sentence: "Tenure" becomes "tenure", "LTV" stays."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _drivers_table(found: pd.DataFrame, currency: str) -> pd.DataFrame:
    return pd.DataFrame({
        "Strongest driver": found["title"], "Raises the risk of": found["raises"],
        "Lowers the risk of": found["lowers"], "Share of customers": found["share"].map(share),
        unit("Margin at risk where it raises", currency): found["margin_at_risk"].round(2),
        "Counted together": found["members"]})


@drawn_once
def moved(matrix: pd.DataFrame, what: str, says: str, look: Look, risk: bool) -> Chart:
    """Customers by where they were (rows) and are (columns); darker is a larger share of the row.

    risk: columns go from safe to risky, so that what lies right of the diagonal has become riskier.
    """
    counts = matrix.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(matrix) <= len(look.risk)
    named = [str(name).lower() if few else str(name) for name in matrix.columns]
    now, then = ([f"{when} {name}" if few else name for name in named] for when in ("now", "was"))
    words = [[f"{counts[row, at]:,} of {counts[row].sum():,} who were {was} are now {now} ({share(shares[row, at])})"
              for at, now in enumerate(named)] for row, was in enumerate(named)]
    figure = go.Figure(go.Heatmap(
        z=shares, x=now, y=then, customdata=words, zmin=0, zmax=1, showscale=False,
        colorscale=[[0, look.surface], [1, look.accent]], xgap=3, ygap=3, hovertemplate="%{customdata}<extra></extra>"))
    drawn(figure, look, height=MEDIUM)
    marked(figure, [{"x": name, "y": was, "text": f"{counts[row, at]:,}",
                     "font": {"color": ink_on(look, look.accent, shares[row, at]), "size": 13}}
                    for row, was in enumerate(then) for at, name in enumerate(now)])
    figure.update_xaxes(side="top", showgrid=False, type="category", tickangle=0 if few else -40).update_yaxes(
        autorange="reversed", showgrid=False, type="category")
    stay, total = int(np.trace(counts)), int(counts.sum())
    title = f"{share(stay / total)} stayed in their {what}" if total else f"Nobody stayed in view of their {what}"
    if risk and total:
        title += f"; {int(np.triu(counts, 1).sum()):,} are riskier, {int(np.tril(counts, -1).sum()):,} safer"
    return Chart(title, says, figure, matrix.rename_axis(f"{what} then".capitalize(), axis=0).reset_index())

