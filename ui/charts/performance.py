"""How well the model ranks, whether its probabilities mean what they say, and what a threshold does.

Every chart is drawn from a model's card alone, and is None where the card does not hold what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.insight.trust import AtThreshold, cheapest, outcome, outcome_words, outcomes, part
from engine.schema import ModelCard, share
from ui.charts.base import MEDIUM, Chart, drawn
from ui.charts.parts import beside, chance_line, key, line, percent, sizes
from ui.look import Look

CURVES = {"Model": "curves", "One-column rule": "rule_curves"}
METRICS = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "lift_at_10": "Lift in the riskiest tenth"}
NO_MARK = "rgba(0,0,0,0)"
CHANCE = 0.5
HALF, A_FIFTH = 50.0, 20.0


def _colours(look: Look) -> dict[str, str]:
    return {"Model": look.accent, "One-column rule": look.segments["Vulnerable"]}


def _axes(card: ModelCard, kind: str, x: str, y: str) -> dict[str, tuple[list[float], list[float]]]:
    """The curves of that kind which the card holds, in per cent: by name, along x and y."""
    found = {name: part(card, place, kind) for name, place in CURVES.items()}
    return {name: (percent(told[x]), percent(told[y])) for name, told in found.items() if told}


def _long(curves: Mapping[str, tuple[list[float], list[float]]], x: str, y: str) -> pd.DataFrame:
    """Curves as one table: whose point it is, and where."""
    return pd.concat([pd.DataFrame({"Curve": name, x: along, y: up}) for name, (along, up) in curves.items()],
                     ignore_index=True)


def _with_metric(card: ModelCard, look: Look, names: Sequence[str], metric: str) -> dict[str, str]:
    """The key's lines: the metric, then each curve's name with its figure and interval, and the curve's colour."""
    digits = 2 if metric == "lift_at_10" else 3
    subjects = {"Model": "model", "One-column rule": "rule", "Chance": "random"}
    colours = _colours(look) | {"Chance": look.muted}
    head = {f"{METRICS[metric]}, 95 % interval": NO_MARK}
    return head | {f"{name} {beside(card.metrics[subjects[name]][metric], digits)}": colours[name] for name in names}


def roc(card: ModelCard, look: Look) -> Chart | None:
    """Leavers found against stayers disturbed, from every threshold on."""
    curves = _axes(card, "roc", "false_positive_rate", "recall")
    if not curves:
        return None
    hover = "%{y:.1f} % of the leavers found<br>%{x:.1f} % of the stayers disturbed"
    figure = go.Figure([line(name, *curves[name], _colours(look)[name], hover) for name in curves])
    chance_line(figure, look)
    drawn(figure, look, x="stayers disturbed [%]", y="leavers found [%]")
    key(figure, look, _with_metric(card, look, [*curves, "Chance"], "roc_auc"), "bottom right")
    auc = card.metrics["model"]["roc_auc"]
    able = "tells" if auc.low > CHANCE else "cannot tell"
    return Chart(
        f"It {able} leavers from stayers: ROC-AUC {auc.value:.3f}",
        "Leavers found against stayers disturbed on the way [%]. Good: the line bends to the upper left. Bad: it lies "
        "on the dotted diagonal, which is chance.", figure, _long(curves, "Stayers disturbed [%]", "Leavers found [%]"),
        f"ROC curve. The model's area is {beside(auc)}, the one-column rule's "
        f"{beside(card.metrics['rule']['roc_auc'])}, and chance has 0.5.")


def precision_recall(card: ModelCard, look: Look) -> Chart | None:
    """How many of the contacted would have left, against how many of the leavers are reached."""
    curves = _axes(card, "pr", "recall", "precision")
    if not curves:
        return None
    base = float(part(card, "base_rate"))
    hover = "%{y:.1f} % of the contacted would have left<br>%{x:.1f} % of the leavers found"
    figure = go.Figure([line(name, *curves[name], _colours(look)[name], hover) for name in curves])
    figure.add_hline(100 * base, line={"color": look.muted, "dash": "dot", "width": 1})
    drawn(figure, look, x="leavers found [%]", y="contacted who would have left [%]").update_yaxes(range=[0, 103])
    names = _with_metric(card, look, [*curves], "pr_auc") | {f"Base rate {share(base)}": look.muted}
    key(figure, look, names, "bottom left" if base > 0.4 else "top right")
    worth = _at(curves["Model"], HALF)
    return Chart(
        f"On the way to half of the leavers {worth:.0f} % of the contacts are well spent",
        "Share of a list who would have left [%], against the share of all leavers it reaches [%]. Good: high, and "
        "staying high to the right. Bad: on the dotted base rate, where any customer would do.",
        figure, _long(curves, "Leavers found [%]", "Contacted who would have left [%]"),
        f"Precision-recall curve above a base rate of {share(base)}.")


def gain(card: ModelCard, look: Look) -> Chart | None:
    """Leavers reached when so many customers are contacted, the riskiest first."""
    curves = {name: ([0.0, *x], [0.0, *(round(a * b / 100, 1) for a, b in zip(x, y, strict=True))])
              for name, (x, y) in _axes(card, "lift", "contacted", "lift").items()}
    if not curves:
        return None
    hover = "%{y:.1f} % of the leavers reached<br>%{x:.0f} % of the customers contacted"
    figure = go.Figure([line(name, *curves[name], _colours(look)[name], hover) for name in curves])
    chance_line(figure, look)
    drawn(figure, look, x="customers contacted, riskiest first [%]", y="leavers reached [%]")
    key(figure, look, _colours(look) | {"Chance": look.muted}, "bottom right")
    fifth = _at(curves["Model"], A_FIFTH)
    return Chart(
        f"A fifth of the customers holds {fifth:.0f} % of the leavers",
        "Leavers reached [%] when the riskiest are contacted first [%]. Good: a steep rise. Bad: the dotted diagonal, "
        "where a list is as good as any other.", figure,
        _long(curves, "Customers contacted [%]", "Leavers reached [%]"),
        f"Cumulative gain: the riskiest fifth holds {fifth:.0f} per cent of the leavers.")


def _at(curve: tuple[list[float], list[float]], x: float) -> float:
    """The curve's height at the point nearest to x."""
    return min(zip(*curve, strict=True), key=lambda point: abs(point[0] - x))[1]


def lift(card: ModelCard, look: Look) -> Chart | None:
    """How many times more leavers a list holds than one drawn at random."""
    found = {name: part(card, place, "lift") for name, place in CURVES.items()}
    curves = {name: (percent(told["contacted"]), [round(value, 2) for value in told["lift"]])
              for name, told in found.items() if told}
    if not curves:
        return None
    hover = "%{y:.2f} times as many leavers as at random<br>%{x:.0f} % of the customers contacted"
    figure = go.Figure([line(name, *curves[name], _colours(look)[name], hover) for name in curves])
    figure.add_hline(1, line={"color": look.muted, "dash": "dot", "width": 1})
    drawn(figure, look, x="customers contacted, riskiest first [%]", y="lift [times chance]")
    figure.update_yaxes(rangemode="tozero")
    key(figure, look, _with_metric(card, look, [*curves], "lift_at_10"), "top right")
    tenth = card.metrics["model"]["lift_at_10"]
    return Chart(
        f"The riskiest tenth holds {tenth.value:.1f} times as many leavers as chance",
        "How many times more leavers a list holds than one drawn at random [times]. Good: well above 1 on the left. "
        "Bad: near the dotted 1 everywhere.", figure, _long(curves, "Customers contacted [%]", "Lift [times]"),
        f"Lift curve: {beside(tenth, 2)} times in the riskiest tenth.")


def reliability(card: ModelCard, look: Look) -> Chart | None:
    """Observed share of leavers against the probability named, with each bin's interval and customers."""
    told = part(card, "reliability")
    if not told:
        return None
    frame = pd.DataFrame(told)
    shares = 100 * frame[["probability", "observed", "low", "high"]]
    figure = go.Figure(go.Scatter(
        x=shares["probability"], y=shares["observed"], mode="markers",
        marker={"color": look.accent, "size": sizes(frame["customers"]), "line": {"color": look.surface, "width": 1}},
        error_y={"type": "data", "symmetric": False, "array": shares["high"] - shares["observed"],
                 "arrayminus": shares["observed"] - shares["low"], "color": look.faded(look.accent, 0.45), "width": 0,
                 "thickness": 4},
        customdata=frame[["customers"]],
        hovertemplate="named %{x:.1f} %, observed %{y:.1f} %<br>%{customdata[0]:,} customers<extra></extra>"))
    chance_line(figure, look)
    drawn(figure, look, x="probability named [%]", y="customers who left [%]")
    ece = card.metrics["model"]["ece"]
    data = shares.round(1).set_axis(["Probability named [%]", "Who left [%]", "Low [%]", "High [%]"], axis=1)
    return Chart(
        f"Probabilities are off by {100 * ece.value:.1f} points on average",
        "Customers who left [%] among those given about the same probability [%]; bars are 95 % intervals, larger dots "
        "more customers. Good: dots on the dotted diagonal. Above it the model sleeps, below it cries wolf.",
        figure, data.assign(Customers=frame["customers"]),
        f"Reliability curve in {len(frame)} bins; calibration error {beside(ece)}.")


def coverage(card: ModelCard, look: Look) -> Chart | None:
    """Whether groups of customers left as often as their intervals say."""
    told = part(card, "intervals")
    if not told:
        return None
    frame = 100 * pd.DataFrame(told["table"])
    groups, width = list(range(1, len(frame) + 1)), 100 * told["mean_width"]
    figure = go.Figure([
        go.Scatter(x=groups, y=frame["high"], mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False),
        go.Scatter(x=groups, y=frame["low"], mode="lines", line={"width": 0}, fill="tonexty", hoverinfo="skip",
                   fillcolor=look.faded(look.accent)),
        go.Scatter(x=groups, y=frame["y"], mode="markers", marker={"color": look.accent, "size": 8},
                   customdata=frame[["low", "high"]], hovertemplate="group %{x}: %{y:.1f} % left<br>interval "
                   "%{customdata[0]:.1f} to %{customdata[1]:.1f} %<extra></extra>")])
    drawn(figure, look, x="groups of customers, from the safest to the riskiest", y="customers who left [%]")
    held = f"{round(told['share_held'] * told['bins'])} of {told['bins']} groups"
    data = frame[["p", "low", "high", "y"]].round(1).set_axis(
        ["Mean probability [%]", "Interval from [%]", "Interval to [%]", "Who left [%]"], axis=1)
    data.insert(0, "Group", groups)
    return Chart(
        f"{held} left as often as their intervals say",
        f"Customers who left [%] and the mean {100 * told['coverage']:.0f} % interval of the group, {width:.1f} points "
        "wide on average. Good: dots within the band, but for chance. Bad: dots outside, which means that single "
        "customers' intervals promise too much.", figure, data,
        f"Interval check: {held} lie within the band, allowing for chance.")


def confusion(card: ModelCard, look: Look, threshold: float) -> Chart | None:
    """What happens to held-out customers when everyone from the threshold on is contacted."""
    found = outcome(card, threshold, 1.0)
    if found is None:
        return None
    cells = [("Leavers missed", found.missed, look.loss), ("Left alone", found.left_alone, look.muted),
             ("Leavers reached", found.found, look.gain), ("Contacted in vain", found.false_alarms,
                                                            look.risk["MEDIUM"])]
    figure = go.Figure(go.Heatmap(
        z=[[0, 1], [2, 3]], x=["would have left", "would have stayed"], y=["not<br>contacted", "contacted"],
        colorscale=[[at / 3, look.faded(colour, 0.25)] for at, (_, _, colour) in enumerate(cells)], showscale=False,
        xgap=6, ygap=6, hoverinfo="skip",
        text=[[_cell(cell, found) for cell in cells[row:row + 2]] for row in (0, 2)], texttemplate="%{text}",
        textfont={"size": 14, "color": look.text}))
    drawn(figure, look, height=MEDIUM).update_xaxes(showgrid=False, side="top").update_yaxes(showgrid=False)
    data = pd.DataFrame([(name, count, round(100 * count / found.customers, 1)) for name, count, _ in cells],
                        columns=["Outcome", "Customers", "Share of all [%]"])
    return Chart(
        f"Contacting from {share(found.threshold)} on reaches {share(found.recall)} of the leavers",
        f"Held-out customers by what was done and what they did. {share(found.precision)} of the contacted would have "
        "left. Good: few missed and few contacted in vain; a lower threshold trades one for the other.",
        figure, data, outcome_words(found))


def _cell(cell: tuple[str, int, str], found: AtThreshold) -> str:
    name, count, _ = cell
    return f"<b>{count:,}</b><br>{name}<br>{share(count / max(found.customers, 1))}"


def cost(card: ModelCard, look: Look, threshold: float, cost_ratio: float) -> Chart | None:
    """What each threshold costs, in false alarms per thousand customers."""
    steps, here, best = outcomes(card, cost_ratio), outcome(card, threshold, cost_ratio), cheapest(card, cost_ratio)
    if here is None or best is None:
        return None
    at = percent([step.threshold for step in steps])
    costs = [round(step.cost_per_1000, 1) for step in steps]
    figure = go.Figure(line("Cost", at, costs, look.accent,
                            "from %{x:.1f} % on: %{y:,.0f} false alarms' worth per 1,000 customers"))
    marks = {"Chosen": (here, look.text), "Least cost": (best, look.gain)}
    for name, (found, colour) in marks.items():
        figure.add_trace(go.Scatter(
            x=[round(100 * found.threshold, 1)], y=[round(found.cost_per_1000, 1)], mode="markers",
            marker={"color": colour, "size": 11, "line": {"color": look.surface, "width": 2}}, name=name,
            hovertemplate=f"{name}: %{{y:,.0f}} from %{{x:.1f}} % on<extra></extra>"))
    drawn(figure, look, height=MEDIUM, x="contacted from this probability on [%]",
          y="cost [false alarms per 1,000 customers]", y_format=",").update_yaxes(rangemode="tozero")
    key(figure, look, {f"{name}: {share(found.threshold)}": colour for name, (found, colour) in marks.items()},
        "bottom right", mark="●")
    data = pd.DataFrame({"Contacted from [%]": at, "Contacted": [step.found + step.false_alarms for step in steps],
                         "Leavers reached": [step.found for step in steps],
                         "Leavers missed": [step.missed for step in steps],
                         "Contacted in vain": [step.false_alarms for step in steps],
                         "Cost per 1,000 customers [false alarms]": costs})
    return Chart(
        f"With a missed leaver worth {cost_ratio:g} false alarms, {share(best.threshold)} costs least",
        "Cost of each threshold [false alarms per 1,000 customers]: one for everyone contacted in vain, and what you "
        "say for every leaver missed. Good: the chosen threshold near the lowest point.",
        figure, data, f"The chosen threshold of {share(here.threshold)} costs {here.cost:,.0f} false alarms in all, "
        f"the cheapest, {share(best.threshold)}, {best.cost:,.0f}.")
