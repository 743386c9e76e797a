"""How the model holds beside others, on worse data, over time, and against columns that might know the answer.

Every chart is drawn from a model's card alone, and is None where the card does not hold what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from engine.insight.card_words import CURES, algorithm_words, title_of
from engine.insight.trust import apart, paired, part, sampled
from engine.schema import ModelCard
from ui.charts.base import SMALL, Chart, drawn
from ui.charts.parts import folded, interval_dots, key, line, safe
from ui.look import Look

TOO_GOOD = 0.95
MOST_COLUMNS = 15
ROW = 30
STEPS = ("as it is", "a little worse", "much worse")
WORSE = {
    "noised": ("Noise", "noise of {:g} standard deviations"),
    "missing": ("Gaps", "{:.0%} of all values missing"),
    "shifted": ("Shift", "every number moved by {:g} standard deviations"),
}


def algorithms(card: ModelCard, look: Look) -> Chart | None:
    """Six algorithms on the same folds: how well each ranks."""
    frame = paired(card)
    if frame.empty:
        return None
    names = [algorithm_words(name) for name in frame["algorithm"]]
    figure = go.Figure(interval_dots(
        frame["auc"], frame["auc_low"], frame["auc_high"],
        [f"{name} (in use)" if used else name for name, used in zip(names, frame["in_use"], strict=True)], look,
        colours=[look.accent if used else look.muted for used in frame["in_use"]],
        hover="%{y}: %{x:.3f}<br>95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f}"))
    drawn(figure, look, height=ROW * len(frame) + 70, x="ROC-AUC [0.5 chance .. 1 perfect]")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    data = pd.DataFrame({"Algorithm": names, **_estimate_columns(frame, "auc", "ROC-AUC"),
                         "Squared error (Brier)": frame["brier"].round(4),
                         "Calibration error [points]": (100 * frame["ece"]).round(1)})
    return Chart(
        f"Of {len(names)} algorithms {names[0]} ranks best, with {frame['auc'][0]:.3f}",
        f"ROC-AUC on the same held-out folds, with 95 % intervals; {algorithm_words(card.algorithm)} is in use. "
        f"Where intervals overlap, the paired differences tell more.{_measured(card)}", figure, data,
        "; ".join(f"{name} {auc:.3f}" for name, auc in zip(names, frame["auc"], strict=True)))


def _on_a_sample(card: ModelCard) -> str:
    return next((sampled(auc) for auc in _compared(card)), "")


def _measured(card: ModelCard) -> str:
    """On which folds and rows, where not on the headline's."""
    return next((f"{apart(card, auc)}{sampled(auc)}" for auc in _compared(card)), "")


def _compared(card: ModelCard) -> list[Mapping[str, Any]]:
    """The ranking of each algorithm compared."""
    return [told["metrics"]["roc_auc"] for told in (part(card, "benchmark") or {}).values()]


def algorithm_differences(card: ModelCard, look: Look) -> Chart | None:
    """Each algorithm's ranking less that of the model in use, on the same customers."""
    frame = paired(card)
    if frame.empty:
        return None
    others = frame[~frame["in_use"]].reset_index(drop=True)
    names = [algorithm_words(name) for name in others["algorithm"]]
    figure = go.Figure(interval_dots(
        others["difference"], others["difference_low"], others["difference_high"], names, look,
        colours=[_sign(low, high, look) for low, high in zip(others["difference_low"], others["difference_high"],
                                                             strict=True)],
        hover="%{y}: %{x:+.4f}<br>95 % interval %{customdata[0]:+.4f} to %{customdata[1]:+.4f}"))
    figure.add_vline(0, line={"color": look.muted, "dash": "dot", "width": 1})
    drawn(figure, look, height=ROW * len(frame) + 70, x="ROC-AUC less that of the model in use")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    better = [name for name, low in zip(names, others["difference_low"], strict=True) if low > 0]
    return Chart(
        f"Surely better: {', '.join(better)}" if better else "None of the others is surely better",
        f"Paired difference of ROC-AUC to {algorithm_words(card.algorithm)} on the same customers, with 95 % "
        f"intervals. Good: no interval wholly right of 0, where another algorithm would rank better."
        f"{_on_a_sample(card)}", figure,
        pd.DataFrame({"Algorithm": names, **_estimate_columns(others, "difference", "Difference of ROC-AUC")}))


def _sign(low: float, high: float, look: Look) -> str:
    if low > 0:
        return look.loss
    return look.gain if high < 0 else look.muted


def _estimate_columns(frame: pd.DataFrame, name: str, title: str) -> dict[str, Any]:
    return {title: frame[name].round(4), "Low": frame[f"{name}_low"].round(4), "High": frame[f"{name}_high"].round(4)}


def balance(card: ModelCard, look: Look) -> Chart | None:
    """What class weights and SMOTE bring and cost, beside leaving the data as they are."""
    told = part(card, "balance")
    if not told:
        return None
    cures = [name for name in told if name != "none"]
    names = [CURES.get(name, name) for name in cures]
    change = pd.DataFrame([told[name]["change"]["ece"] for name in cures])
    figure = go.Figure(interval_dots(
        100 * change["value"], 100 * change["low"], 100 * change["high"], names, look,
        colours=[look.loss if low > 0 else look.muted for low in change["low"]],
        hover="%{y}: %{x:+.1f} points<br>95 % interval %{customdata[0]:+.1f} to %{customdata[1]:+.1f}"))
    figure.add_vline(0, line={"color": look.muted, "dash": "dot", "width": 1})
    drawn(figure, look, height=ROW * len(cures) + 90, x="change of the calibration error [points]")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    data = pd.DataFrame([_cure_row(name, told[name]) for name in sorted(told, key=lambda name: name != "none")])
    worst = max(range(len(cures)), key=lambda at: change["value"][at])
    gained = max(told[name]["change"]["roc_auc"]["low"] for name in cures) > 0
    return Chart(
        f"{names[worst][0].upper()}{names[worst][1:]} would move the calibration error by "
        f"{100 * change['value'][worst]:+.1f} points",
        "What the usual cures for class imbalance do to the calibration error [points], before any calibration, with "
        f"95 % intervals. Good: near 0 or left of it. They {'would' if gained else 'would not surely'} rank better."
        f"{apart(card, told['none']['metrics']['roc_auc'])}{sampled(told['none']['metrics']['ece'])}", figure, data)


def _cure_row(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """One cure's figures, and its change of ranking with the interval."""
    words, auc, change = CURES.get(name, name), entry["metrics"]["roc_auc"], entry["change"]["roc_auc"]
    return {"Cure": f"{words[0].upper()}{words[1:]}", "ROC-AUC": f"{auc['value']:.3f}",
            "Change of ROC-AUC": "-" if name == "none" else
            f"{change['value']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})",
            "Squared error (Brier)": f"{entry['metrics']['brier']['value']:.3f}",
            "Calibration error [points]": f"{100 * entry['metrics']['ece']['value']:.1f}"}


def stress(card: ModelCard, look: Look) -> Chart | None:
    """How much ranking is left when the data get worse."""
    told = part(card, "stress")
    if not told:
        return None
    clean = told[0]["metrics"]["roc_auc"]
    colours = dict(zip(WORSE, (look.accent, look.segments["Vulnerable"], look.text), strict=True))
    figure = go.Figure()
    for name, colour in colours.items():
        steps = [entry for entry in told if entry["data"] == name]
        values = [clean, *(step["metrics"]["roc_auc"] for step in steps)]
        words = ["the data as they are", *(_worse(name, step["amount"]) for step in steps)]
        figure.add_trace(line(WORSE[name][0], STEPS, [value["value"] for value in values], colour,
                              "%{customdata}: %{y:.3f}").update(customdata=words, mode="lines+markers"))
    low, high = clean["low"], clean["high"]
    figure.add_hrect(low, high, fillcolor=look.faded(look.accent, 0.12), line_width=0, layer="below")
    drawn(figure, look, y="ROC-AUC [0.5 chance .. 1 perfect]")
    figure.update_xaxes(range=[-0.15, 2.15])
    key(figure, look, {WORSE[name][0]: colour for name, colour in colours.items()}, "above")
    worst = min(told, key=lambda entry: entry["metrics"]["roc_auc"]["value"])
    return Chart(
        f"With {_worse(worst['data'], worst['amount'])} it still ranks with {worst['metrics']['roc_auc']['value']:.3f}",
        f"ROC-AUC on the same customers with worse data; the band is the 95 % interval on the data as they are, "
        f"{low:.3f} to {high:.3f}. Good: lines that stay near the band. Bad: a line that falls towards 0.5."
        f"{apart(card, clean)}{sampled(clean)}", figure,
        pd.DataFrame([_stress_row(entry) for entry in told]))


def _worse(name: str, amount: float) -> str:
    return WORSE[name][1].format(amount).replace("%", " %") if name in WORSE else "the data as they are"


def _stress_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    auc, ece = entry["metrics"]["roc_auc"], entry["metrics"]["ece"]
    words = _worse(entry["data"], entry["amount"])
    return {"Data": f"{words[0].upper()}{words[1:]}",
            "ROC-AUC, 95 % interval": f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})",
            "Calibration error [points]": f"{100 * ece['value']:.1f}"}


def seasons(card: ModelCard, look: Look) -> Chart | None:
    """How far the level of churn was missed at each moment of the backtest, without and with last year's season."""
    told = part(card, "season")
    if not told:
        return None
    frame = pd.DataFrame(told)
    at = pd.to_datetime(frame["as_of"])
    ways = {"Left": frame["observed"], "Predicted": frame["observed"] + frame["without"],
            "Predicted with last year's season": frame["observed"] + frame["with"]}
    colours = {"Left": look.text, "Predicted": look.muted, "Predicted with last year's season": look.accent}
    figure = go.Figure([
        line(name, at, (100 * values).round(1), colours[name], "%{x|%d %b %Y}: %{y:.1f} %").update(mode="lines+markers")
        for name, values in ways.items()])
    drawn(figure, look, x="asked as of", y="customers who leave within the window [%]")
    figure.update_xaxes(tickvals=at, tickformat="%b %Y", range=[at.min() - pd.Timedelta(days=20),
                                                              at.max() + pd.Timedelta(days=20)])
    ends = [100 * float(value) for values in ways.values() for value in values]
    figure.update_yaxes(range=[min(ends) - 0.5 * (max(ends) - min(ends)) - 1, max(ends) + 2])
    key(figure, look, colours, "bottom left")
    last = frame.iloc[-1]
    data = pd.DataFrame({"Asked as of": at.dt.strftime("%d %b %Y"),
                         **{f"{name} [%]": (100 * values).round(1) for name, values in ways.items()}})
    return Chart(
        f"At the last moment the level was missed by {100 * last['with']:+.1f} points with the season, "
        f"{100 * last['without']:+.1f} without",
        "Customers who left, and how many were predicted by a model that knew only the time before [%]. Good: the "
        "predictions on the dark line. What is missed widens every customer's interval.", figure, data)


def over_time(card: ModelCard, look: Look) -> Chart | None:
    """How well each moment of the backtest was ranked by a model that knew only the time before it."""
    told = part(card, "over_time")
    if not told:
        return None
    at = pd.to_datetime([row["as_of"] for row in told])
    auc = pd.DataFrame([row["metrics"]["roc_auc"] for row in told])
    figure = go.Figure(go.Scatter(
        x=at, y=auc["value"], mode="lines+markers", line={"color": look.accent}, marker={"size": 8},
        error_y={"type": "data", "symmetric": False, "array": auc["high"] - auc["value"],
                 "arrayminus": auc["value"] - auc["low"], "color": look.muted},
        customdata=auc[["low", "high"]],
        hovertemplate="%{x|%d %b %Y}: %{y:.3f}, 95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f}"
                      "<extra></extra>"))
    drawn(figure, look, x="asked as of", y="ROC-AUC [0.5 chance .. 1 perfect]")
    figure.update_xaxes(tickvals=at, tickformat="%b %Y")
    agreed = [row["agreement"] for row in told if row["agreement"] is not None]
    steady = (f" From one moment to the next the order of the drivers agrees by {sum(agreed) / len(agreed):.2f} "
              "(rank correlation of the families' shares, 1 = the same order)." if agreed else "")
    moved = part(card, "drift")
    change = "" if moved is None else (f" Last less first: {moved['value']:+.3f} ({moved['low']:+.3f} to "
                                       f"{moved['high']:+.3f}).")
    return Chart(
        f"Over {len(told)} moments the ranking lay between {auc['value'].min():.3f} and {auc['value'].max():.3f}",
        f"ROC-AUC of customers at each moment, with 95 % intervals. Good: a level line.{change}{steady}", figure,
        pd.DataFrame([_moment_row(card, row) for row in told]))


def _moment_row(card: ModelCard, row: Mapping[str, Any]) -> dict[str, Any]:
    measured = row["metrics"]
    strongest = [(title_of(card, name), share) for name, share in list(row["importance"].items())[:3]]
    return {"Asked as of": f"{pd.Timestamp(row['as_of']):%d %b %Y}", "Customers": row["customers"], "Left": row["left"],
            "ROC-AUC": f"{measured['roc_auc']['value']:.3f} ({measured['roc_auc']['low']:.3f} to "
                       f"{measured['roc_auc']['high']:.3f})",
            "Squared error (Brier)": f"{measured['brier']['value']:.4f}",
            "Calibration error [points]": f"{100 * measured['ece']['value']:.1f}",
            "Strongest drivers": ", ".join(f"{name} {share:.0%}".replace("%", " %") for name, share in strongest),
            "Order of drivers against the moment before":
                "" if row["agreement"] is None else f"{row['agreement']:.2f}"}


def single_columns(card: ModelCard, look: Look) -> Chart | None:
    """How well each column alone ranks leavers: what is too good to be true stands out."""
    told = part(card, "single_column_auc")
    if not told:
        return None
    shut_out = {name for name, _ in card.quarantined}
    frame = pd.DataFrame({"name": list(told), "auc": list(told.values())}).sort_values(
        ["auc", "name"], ascending=[False, True], ignore_index=True)
    frame["title"] = [title_of(card, str(name)) for name in frame["name"]]
    frame["state"] = ["shut out" if name in shut_out else "used" for name in frame["name"]]
    top = frame.head(MOST_COLUMNS)
    figure = go.Figure(go.Bar(
        x=top["auc"], y=[folded(title) for title in top["title"]], orientation="h", base=0,
        marker_color=[look.loss if name in shut_out else look.accent for name in top["name"]],
        customdata=top[["title", "state"]].assign(title=top["title"].map(safe)),
        hovertemplate="%{customdata[0]}: %{x:.3f} alone, %{customdata[1]}<extra></extra>"))
    auc = card.metrics["model"]["roc_auc"].value
    figure.add_vline(auc, line={"color": look.text, "width": 1.5})
    figure.add_vline(TOO_GOOD, line={"color": look.loss, "dash": "dot", "width": 1.5})
    drawn(figure, look, height=max(SMALL, ROW * len(top) + 80), x="ROC-AUC of the column alone")
    figure.update_xaxes(range=[0.5, 1.0]).update_yaxes(autorange="reversed", showgrid=False)
    key(figure, look, {f"whole model {auc:.3f}": look.text, "too good to be true": look.loss}, "above")
    best = frame.iloc[0]
    return Chart(
        f"{len(shut_out)} columns knew the answer and are shut out" if len(shut_out) > 1 else
        f"{title_of(card, next(iter(shut_out)))} knew the answer and is shut out" if shut_out else
        f"No column is too good to be true: the best alone reaches {best['auc']:.3f}",
        f"ROC-AUC of single columns, out of fold; the {len(top)} best of {len(frame)}. Good: all of them below the "
        "whole model's line. Bad: one beyond the dotted line, for what ranks so well alone usually knows the answer.",
        figure, frame[["title", "auc", "state"]].round({"auc": 3}).set_axis(["Column", "ROC-AUC alone", "State"],
                                                                             axis=1))
