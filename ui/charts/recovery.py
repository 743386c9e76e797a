"""Charts of a recovery campaign: what the money becomes, when it pays, what more would buy, scenarios compared."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from engine.insight import Outcome, Simulation, percent, rate_words
from engine.schema import Estimate, money, money_range, share
from ui.charts.base import MEDIUM, SMALL, Chart, drawn, drawn_once
from ui.look import Look

ROW = 58
LABEL = 22
BESIDE = {"above": ("center", 0, 16), "below": ("left", 6, -16), "before": ("right", -8, 12)}  # anchor, shifts [px]


@drawn_once
def flow(found: Simulation, currency: str, look: Look) -> Chart:
    """From what is invested over what is kept to the net return, as a waterfall with the band on its last bar."""
    total = found.total
    costs = {"Contacts": total.contacts, "Offers to<br>those kept": total.offers_kept,
             "Offers to<br>those who would<br>have stayed": total.offers_stayed}
    steps = [*((name, -cost) for name, cost in costs.items() if cost),
             (f"Margin kept by<br>{total.saves.value:,.1f} saves", total.gain)]
    names, values = [name for name, _ in steps], [value for _, value in steps]
    starts = [sum(values[:at]) for at in range(len(values))]
    figure = go.Figure(go.Bar(
        y=[*names, "Net return"], x=[*values, total.net.value], base=[*starts, 0], orientation="h",
        marker_color=[*(look.gain if value > 0 else look.loss for value in values), look.accent],
        text=[money(value, currency) for value in [*values, total.net.value]], textposition="outside",
        cliponaxis=False, hovertemplate="%{y}: %{text}<extra></extra>"))
    _band_on_bar(figure, total.net, len(steps), look)
    spread = [*starts, *(start + value for start, value in zip(starts, values, strict=True)), total.net.low,
              total.net.high, 0.0]
    room = 0.22 * (max(spread) - min(spread) or 1)
    drawn(figure, look, height=MEDIUM, x=_unit("money", currency), x_format="~s")
    figure.update_xaxes(range=[min(spread) - 1.6 * room, max(spread) + room])
    figure.update_yaxes(autorange="reversed", showgrid=False).add_vline(0, line_color=look.muted, line_width=1)
    says = (f"Expected sums for {total.customers:,.0f} customers contacted; the shaded stretch is the 90 % band of the "
            f"net return, {_between(total.net, currency)}.")
    table = pd.DataFrame({"Step": [name.replace("<br>", " ") for name in [*names, "Net return"]],
                          _unit("Expected sum", currency): [*values, total.net.value]})
    return Chart(f"{money(total.investment, currency)} invested {_becomes(total, currency)}", says, figure, table)


def _becomes(total: Outcome, currency: str) -> str:
    """What the investment comes back as, in words."""
    net = f"{money(abs(total.net.value), currency)} {'more' if total.net.value >= 0 else 'less'} than it costs"
    return f"brings back {money(total.gain, currency)}: {net}"


def _band_on_bar(figure: go.Figure, net: Estimate, row: int, look: Look) -> None:
    figure.add_shape(type="rect", x0=net.low, x1=net.high, y0=row - 0.28, y1=row + 0.28, line_width=0,
                     fillcolor=look.faded(look.accent, 0.22), layer="above")


@drawn_once
def pays_from(found: Simulation, currency: str, look: Look) -> Chart:
    """The net return of those contacted against the share of leavers kept, with the break-even and the assumption."""
    line, total = found.sweep, found.total
    figure = _with_band(line["rate"], line, look)
    low, high = found.likely
    figure.add_vrect(low, high, fillcolor=look.faded(look.muted, 0.12), line_width=0, layer="below")
    figure.data[-1].update(hovertemplate=[f"{share(rate)} kept: {money(net, currency)}<extra></extra>"
                                          for rate, net in zip(line["rate"], line["net"], strict=True)])
    drawn(figure, look, height=MEDIUM, x="leavers contacted who are kept", y=_unit("net return", currency),
          x_format=".0%" if line["rate"].max() > 0.05 else ".1%", y_format="~s")
    figure.add_hline(0, line_color=look.muted, line_width=1)
    if total.break_even <= line["rate"].max():
        _mark(figure, total.break_even, 0.0, f"pays from {rate_words(total.break_even)}", look.text, look, "below")
    _mark(figure, total.kept, total.net.value, f"now {share(total.kept)}", look.accent, look, "before")
    rate, model, chance = (percent(part) for part in total.unsure)
    says = (f"Net return by the share of the leavers contacted who are kept. The grey stretch holds 90 % of the "
            f"recovery rate's uncertainty, {share(low)} to {share(high)}; the band around the line is the model's and "
            f"chance's. The rate makes up {rate} of what is unsure about the net return (its variance), the model "
            f"{model}, chance {chance}.")
    return Chart(_pays(total), says, figure, _table(line, {"rate": "Share kept"}, currency))


def _pays(total: Outcome) -> str:
    if total.break_even > 1:
        return "No recovery rate makes this pay"
    return f"It pays from {rate_words(total.break_even)} of leavers kept; the rates set keep {share(total.kept)}"


@drawn_once
def budget(found: Simulation, currency: str, look: Look) -> Chart:
    """The net return as the budget grows, those who bring most per cost first; the best budget marked."""
    line, total = found.curve, found.total
    figure = _with_band(line["investment"], line, look)
    figure.data[-1].update(hovertemplate=[
        f"{money(spent, currency)} reaches {reached:,.0f} customers, keeps {kept:,.1f}: {money(net, currency)} net"
        "<extra></extra>" for spent, reached, kept, net in
        line[["investment", "customers", "saves", "net"]].to_numpy()])
    drawn(figure, look, height=MEDIUM, x=_unit("investment", currency), y=_unit("net return", currency), x_format="~s",
          y_format="~s")
    figure.add_hline(0, line_color=look.muted, line_width=1)
    top = float(line["net"].max())
    best = money(found.best, currency) if found.best else "nothing"
    _mark(figure, found.best, top, f"best: {best}", look.text, look)
    if abs(total.investment - found.best) > 0.02 * found.everybody:
        _mark(figure, total.investment, total.net.value, f"yours: {money(total.investment, currency)}", look.accent,
              look, "below")
    beyond = f"Beyond {best} the next one costs" if found.best else "Even the first one would cost"
    says = (f"Customers are contacted in the order of expected return per cost. {beyond} more than they bring; "
            f"everybody would cost {money(found.everybody, currency)}. The band holds 90 %.")
    heads = {"investment": _unit("Investment", currency), "customers": "Customers", "saves": "Saves"}
    title = f"{best} is the most worth investing" if found.best else "No contact pays for itself"
    return Chart(title, says, figure, _table(line, heads, currency))


@drawn_once
def compared(scenarios: Mapping[str, Outcome], currency: str, look: Look) -> Chart:
    """Scenarios under each other: the net return of each with its band."""
    figure, names = go.Figure(), [_short(name) for name in scenarios]
    for row, found in enumerate(scenarios.values()):
        figure.add_shape(type="rect", x0=found.net.low, x1=found.net.high, y0=row - 0.14, y1=row + 0.14, line_width=0,
                         fillcolor=look.faded(look.accent, 0.25))
    nets = [found.net for found in scenarios.values()]
    figure.add_scatter(
        x=[net.value for net in nets], y=list(range(len(names))), mode="markers+text",
        marker={"color": look.accent, "size": 11},
        text=[money(net.value, currency) for net in nets], textposition="top center", cliponaxis=False,
        hovertemplate=[f"{money(net.value, currency)}, 90 % band {_between(net, currency)}<extra></extra>"
                       for net in nets])
    drawn(figure, look, height=max(SMALL // 2, 90 + ROW * len(names)), x=_unit("net return", currency), x_format="~s")
    figure.update_yaxes(showgrid=False, tickvals=list(range(len(names))), ticktext=names,
                        range=[len(names) - 0.6, -0.7])
    figure.add_vline(0, line_color=look.muted, line_width=1)
    ends = {"Net return": "value", "Low end": "low", "High end": "high"}
    table = pd.DataFrame({"Scenario": list(scenarios), **{_unit(head, currency): [getattr(net, end) for net in nets]
                                                for head, end in ends.items()}})
    says = "Expected net return of each on the scores looked at; the band holds 90 %."
    return Chart(_best_of(scenarios, currency), says, figure, table)


def _best_of(scenarios: Mapping[str, Outcome], currency: str) -> str:
    """Which scenario returns most, and how much; where several do, as far as it is written, that they do."""
    best = money(max(found.net.value for found in scenarios.values()), currency)
    names = [name for name, found in scenarios.items() if money(found.net.value, currency) == best]
    if len(names) == len(scenarios) > 1:
        return f"All of them return {best}"
    return f"{' and '.join(names)} {'returns' if len(names) == 1 else 'return'} most: {best}"


def _short(name: str) -> str:
    """A scenario's name as an axis can hold it, over two lines, nothing in it read as markup.

    >>> _short("Call everyone, <b>generous</b> credit for all of them")
    'Call everyone,<br>&lt;b&gt;generous&lt;/b&gt;...'
    """
    lines = textwrap.wrap(name, LABEL)
    return "<br>".join(html.escape(line, quote=False) for line in lines[:2]) + ("..." if len(lines) > 2 else "")


def _with_band(x: pd.Series, line: pd.DataFrame, look: Look) -> go.Figure:
    """A line of `net` over x on its band."""
    edge = {"mode": "lines", "line_width": 0, "hoverinfo": "skip"}
    figure = go.Figure([go.Scatter(x=x, y=line["net_low"], **edge),
                        go.Scatter(x=x, y=line["net_high"], fill="tonexty", fillcolor=look.faded(look.accent), **edge)])
    return figure.add_scatter(x=x, y=line["net"], mode="lines", line={"color": look.accent, "width": 2.5})


def _mark(figure: go.Figure, x: float, y: float, text: str, colour: str, look: Look, where: str = "above") -> None:
    """A point with its words beside it."""
    anchor, right, up = BESIDE[where]
    figure.add_scatter(x=[x], y=[y], mode="markers", hoverinfo="skip",
                       marker={"color": colour, "size": 10, "line": {"color": look.surface, "width": 2}})
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"color": colour, "size": 12}, yshift=up,
                          xanchor=anchor, xshift=right)


def _table(line: pd.DataFrame, heads: Mapping[str, str], currency: str) -> pd.DataFrame:
    nets = {"net": "Net return", "net_low": "Low end", "net_high": "High end"}
    return line.rename(columns={**heads, **{name: _unit(head, currency) for name, head in nets.items()}})


def _unit(what: str, currency: str) -> str:
    return f"{what} [{currency}]" if currency else what


def _between(net: Estimate, currency: str) -> str:
    return f"{money_range(net.low, net.high, currency)}"
