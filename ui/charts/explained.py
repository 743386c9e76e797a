"""What drives the model: which features, in which direction, along which values, and beside what drives value.

Every chart is drawn from a model's card alone, and is None where the card does not hold what it needs. Contributions
are of the raw log-odds before calibration: +0.7 doubles the odds of leaving, -0.7 halves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from engine.insight.card_words import column_of, title_of
from engine.insight.trust import part
from engine.schema import Column, ModelCard
from ui.charts.base import TALL, Chart, drawn
from ui.charts.parts import folded, key, safe
from ui.look import Look

MOST_BARS, MOST_PAIRS = 15, 12
SLOTS = 70
SWARM_ROW, BAR_ROW, TWO_LINES = 34, 30, 38
MATTERS = 5.0
UNKNOWN = "unknown"
ROLES = {"both": "both", "churn only": "leaving", "LTV only": "value", "neither": "neither"}


def swarm(card: ModelCard, look: Look, currency: str) -> Chart | None:
    """The strongest features: how each customer's value pushes towards leaving or staying."""
    told, order = part(card, "swarm"), part(card, "importance", "feature")
    if not told:
        return None
    names = [name for name in order if name in told]
    columns = [column_of(card, name, currency) for name in names]
    figure = go.Figure([trace for row, (name, column) in enumerate(zip(names, columns, strict=True))
                        for trace in _cloud(told[name], column, row, look)])
    low, high = look.segments["Promising"], look.segments["Vulnerable"]
    figure.update_layout(coloraxis={"cmin": 0, "cmax": 100, "showscale": False,
                                    "colorscale": [[0, low], [0.5, look.segments["Hibernating"]], [1, high]]})
    figure.add_vline(0, line={"color": look.muted, "width": 1})
    titles = [column.title for column in columns]
    drawn(figure, look, height=_row(titles, SWARM_ROW) * len(names) + 90, x="contribution [log-odds of leaving]")
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=[folded(title) for title in titles],
                        range=[len(names) - 0.4, -0.6], showgrid=False)
    key(figure, look, {"low": low, "high": high, "category, unknown": look.accent}, "above", mark="●")
    customers = len(next(iter(told.values()))["contribution"])
    return Chart(
        f"The strongest driver on the whole: {columns[0].title}",
        f"One dot per customer ({customers} drawn) and feature: right of 0 the value raises the risk, left it lowers "
        "it. Orange is a high value, blue a low one, teal a category or unknown. What goes with leaving need not cause "
        "it.", figure, _swarm_table(told, names, columns),
        f"Beeswarm of the {len(names)} strongest features; the strongest is {columns[0].title}.")


def _row(titles: Iterable[str], least: int) -> int:
    """How high a row must be for its title, which may take two lines [pixels]."""
    return max(least, TWO_LINES) if any("<br>" in folded(title) for title in titles) else least


def _cloud(told: Mapping[str, Any], column: Column, row: int, look: Look) -> list[go.Scatter]:
    """One feature's dots: those without an order in teal, the others from blue to orange."""
    frame = pd.DataFrame(told)
    frame["height"] = row - _heights(frame["contribution"])
    frame["words"] = [safe(column.in_words(value)) for value in told["value"]]
    ranked = frame["place"].notna()
    markers = ((ranked, {"color": frame["place"][ranked], "coloraxis": "coloraxis"}),
               (~ranked, {"color": look.accent}))
    return [_dots(frame[chosen], column, marker) for chosen, marker in markers if chosen.any()]


def _dots(frame: pd.DataFrame, column: Column, marker: Mapping[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=frame["contribution"], y=frame["height"].round(3), mode="markers", customdata=frame[["words"]],
        marker={"size": 5, "opacity": 0.85, **marker},
        hovertemplate=f"{safe(column.title)}: %{{customdata[0]}}<br>%{{x:+.2f}} log-odds<extra></extra>")


def _heights(contributions: pd.Series) -> pd.Series:
    """How far each dot is moved off its row, so that dots of about the same contribution stand beside each other."""
    reach = float(contributions.abs().max()) or 1.0
    slot = (contributions / reach * SLOTS / 2).round().astype(int)
    place = slot.groupby(slot).cumcount()
    step = 0.42 / max(int(place.max() + 1) // 2, 3)
    return ((place + 1) // 2) * step * (1 - 2 * (place % 2))


def _swarm_table(told: Mapping[str, Any], names: Sequence[str], columns: Sequence[Column]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame({
        "Feature": column.title, "Value": [column.in_words(value) for value in told[name]["value"]],
        "Contribution [log-odds]": told[name]["contribution"]}) for name, column in zip(names, columns, strict=True)],
        ignore_index=True)


def importance(card: ModelCard, look: Look) -> Chart | None:
    """The features by how far they move customers on average."""
    told = part(card, "importance")
    if not told:
        return None
    frame = pd.DataFrame(told)
    frame["title"] = [title_of(card, name) for name in frame["feature"]]
    top = frame.head(MOST_BARS)
    shares = (100 * top["share"]).round(1)
    figure = go.Figure(go.Bar(
        x=shares, y=[folded(title) for title in top["title"]], orientation="h", marker_color=look.accent,
        customdata=top[["importance"]].assign(title=top["title"].map(safe)),
        text=[f"{value:.1f}" for value in shares], textposition="outside", cliponaxis=False,
        textfont={"color": look.muted, "size": 12},
        hovertemplate="%{customdata[1]}: %{x:.1f} % of all contributions<br>%{customdata[0]:.2f} log-odds on average"
                      "<extra></extra>"))
    drawn(figure, look, height=_row(top["title"], BAR_ROW) * len(top) + 48, x="share of all contributions [%]")
    figure.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(range=[0, 1.12 * max(shares.max(), 0.1)])
    first = top.head(3)
    data = pd.DataFrame({"Feature": frame["title"], "Share of all contributions [%]": (100 * frame["share"]).round(2),
                         "Mean contribution [log-odds]": frame["importance"].round(4)})
    return Chart(
        f"{len(first)} features carry {shares.head(3).sum():.0f} % of what the model says",
        f"Mean size of each feature's contribution, as a share of all [%]; the {len(top)} strongest of {len(frame)}. "
        "Good: several features share the weight. Bad: one carries nearly all, for then the model is a rule.",
        figure, data, ", ".join(f"{title} {value:.1f} %" for title, value in zip(top["title"], shares, strict=True)))


def features_with_dependence(card: ModelCard) -> dict[str, str]:
    """The features whose course the card holds, strongest first, with their titles."""
    told, order = part(card, "dependence") or {}, part(card, "importance", "feature") or []
    return {name: title_of(card, name) for name in order if name in told}


def dependence(card: ModelCard, look: Look, feature: str, currency: str) -> Chart | None:
    """How a feature's contribution changes along its values."""
    told = part(card, "dependence", feature)
    if not told:
        return None
    column = column_of(card, feature, currency)
    frame = pd.DataFrame({**told, "value": pd.Series(told["value"], dtype=object)})
    words = [column.in_words(value) for value in frame["value"]]
    steps = any(isinstance(value, str) for value in frame["value"]) or column.kind == "flag"
    figure = _levels(frame, words, look) if steps else _course(frame, words, look)
    points = part(card, "swarm", feature)
    if points and not steps:
        figure.add_trace(_sampled(points, column, look))
    unit = f" [{column.unit}]" if column.unit else ""
    drawn(figure, look, height=TALL, x="" if steps else f"{column.title[0].lower()}{column.title[1:]}{unit}",
          y="contribution [log-odds of leaving]")
    figure.add_hline(0, line={"color": look.muted, "dash": "dot", "width": 1})
    data = pd.DataFrame({"Value": words, "Customers": frame["customers"], "10th percentile": frame["low"].round(3),
                         "Median contribution [log-odds]": frame["middle"].round(3),
                         "90th percentile": frame["high"].round(3)})
    top, bottom = (words[int(place)] for place in (frame["middle"].argmax(), frame["middle"].argmin()))
    return Chart(
        f"{column.title}: the risk is highest at {top}, lowest at {bottom}",
        "Median contribution along the feature's values, with the middle 80 % of customers as a band. Above 0 the "
        "value raises the risk, below it lowers it; +0.7 doubles the odds of leaving.", figure, data)


def _course(frame: pd.DataFrame, words: Sequence[str], look: Look) -> go.Figure:
    """A number's course as a line with a band; those for whom it is unknown stand apart at the left."""
    known = frame[frame["value"].notna()].assign(words=[safe(word) for word, value in zip(
        words, frame["value"], strict=True) if value is not None])
    x = known["value"].astype(float)
    figure = go.Figure([
        go.Scatter(x=x, y=known["high"], mode="lines", line={"width": 0}, hoverinfo="skip"),
        go.Scatter(x=x, y=known["low"], mode="lines", line={"width": 0}, fill="tonexty", hoverinfo="skip",
                   fillcolor=look.faded(look.accent)),
        go.Scatter(x=x, y=known["middle"], mode="lines+markers", line={"color": look.accent, "width": 2.5},
                   marker={"size": 6}, customdata=known[["words", "customers"]],
                   hovertemplate="%{customdata[0]}: %{y:+.2f} log-odds<br>%{customdata[1]:,} customers<extra></extra>"),
    ])
    unknown = frame[frame["value"].isna()]
    if len(unknown):
        figure.add_hline(float(unknown["middle"].iloc[0]), line={"color": look.segments["Vulnerable"], "dash": "dash",
                                                                "width": 1.5})
        key(figure, look, {UNKNOWN: look.segments["Vulnerable"]}, "top right")
    return figure


def _sampled(points: Mapping[str, Any], column: Column, look: Look) -> go.Scatter:
    """Single customers behind a number's course."""
    frame = pd.DataFrame(points).dropna(subset=["value"])
    return go.Scatter(
        x=frame["value"].astype(float), y=frame["contribution"], mode="markers",
        marker={"size": 4, "color": look.muted, "opacity": 0.6}, customdata=[[column.in_words(value)] for value in
                                                                            frame["value"]],
        hovertemplate="a customer with %{customdata[0]}: %{y:+.2f}<extra></extra>")


def _levels(frame: pd.DataFrame, words: Sequence[str], look: Look) -> go.Figure:
    """A category's levels as dots with bands, from the highest risk to the lowest."""
    shown = frame.assign(words=[folded(word, 14) for word in words]).sort_values("middle", ascending=False)
    return go.Figure(go.Scatter(
        x=shown["words"], y=shown["middle"], mode="markers", customdata=shown[["customers"]],
        marker={"color": look.accent, "size": 11, "line": {"color": look.surface, "width": 1}},
        error_y={"type": "data", "symmetric": False, "array": shown["high"] - shown["middle"], "width": 0,
                 "arrayminus": shown["middle"] - shown["low"], "thickness": 6, "color": look.faded(look.accent, 0.3)},
        hovertemplate="%{x}: %{y:+.2f} log-odds<br>%{customdata[0]:,} customers<extra></extra>"))


def cross_model(card: ModelCard, look: Look) -> Chart | None:
    """What drives leaving beside what drives value, each feature with its role."""
    told = part(card, "cross_model")
    if not told:
        return None
    frame = pd.DataFrame(told)
    frame["title"] = [title_of(card, name) for name in frame["feature"]]
    frame[["churn", "ltv"]] = (100 * frame[["churn_share", "ltv_share"]]).round(1)
    frame["place"] = [list(ROLES).index(role) for role in frame["role"]]
    shown = frame.sort_values("place", kind="stable").head(MOST_PAIRS).reset_index(drop=True)
    colours = {"drives leaving": look.accent, "drives value": look.segments["Vulnerable"]}
    figure = go.Figure([_between(shown, look), *(
        _side(shown, name, words, colour) for name, (words, colour) in zip(("churn", "ltv"), colours.items(),
                                                                           strict=True))])
    drawn(figure, look, height=_row(shown["title"], BAR_ROW) * len(shown) + 80, x="share of what drives each [%]")
    most = float(shown[["churn", "ltv"]].max().max()) or 1.0
    figure.update_yaxes(tickvals=list(range(len(shown))), ticktext=[folded(title) for title in shown["title"]],
                        range=[len(shown) - 0.4, -0.6], showgrid=False).update_xaxes(range=[-0.03 * most, 1.5 * most])
    for row, role in enumerate(shown["role"]):
        figure.add_annotation(x=1, xref="paper", y=row, text=ROLES[role], showarrow=False, xanchor="right",
                              font={"size": 12, "color": look.text if role == "both" else look.muted})
    key(figure, look, colours, "above", mark="●")
    both = frame.loc[frame["role"] == "both", "title"].tolist()
    data = frame[["title", "churn", "ltv", "role", "together"]].round({"together": 2}).set_axis(
        ["Feature", "Share of leaving [%]", "Share of value [%]", "Drives", "Correlation of the two"], axis=1)
    return Chart(
        f"{' and '.join(both[:3]) or 'No feature'} drive{'' if len(both) > 1 else 's'} both leaving and value",
        f"Each feature's share of what drives leaving and of what drives value [%]; from {MATTERS:.0f} % it counts. "
        "What drives both wants care: what moves the one moves the other.", figure, data)


def _between(shown: pd.DataFrame, look: Look) -> go.Scatter:
    """The stretch between a feature's two shares."""
    ends = [(x, row) for row, pair in enumerate(zip(shown["churn"], shown["ltv"], strict=True)) for x in (*pair, None)]
    return go.Scatter(x=[x for x, _ in ends], y=[row for _, row in ends], mode="lines", hoverinfo="skip",
                      line={"color": look.border, "width": 4})


def _side(shown: pd.DataFrame, name: str, words: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=shown[name], y=list(range(len(shown))), mode="markers", name=words, marker={"color": colour, "size": 10},
        customdata=[[safe(title)] for title in shown["title"]],
        hovertemplate=f"%{{customdata[0]}}: %{{x:.1f}} % of what {words}<extra></extra>")
