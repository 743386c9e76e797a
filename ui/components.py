"""What screens are made of: header, figures, cards, charts with their data, findings, tables, empty states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

import engine
from engine import catalog, saved
from engine.insight import answers, card_words
from engine.schema import Finding, plural
from ui import state
from ui.charts.base import Chart
from ui.state import Here

Mode = Literal["points", "box", "lasso"]
ICONS = {"error": ":material/error:", "severe": ":material/warning:", "warning": ":material/info:",
         "note": ":material/notes:"}
SHORT, FOUR = 6, 4
LEAST_TREND = 3
RISK_ICONS = {"LOW": ":material/check_circle:", "MEDIUM": ":material/error:", "HIGH": ":material/warning:"}
RISK_COLOURS: Mapping[str, Literal["green", "orange", "red"]] = {"LOW": "green", "MEDIUM": "orange", "HIGH": "red"}


@dataclass(frozen=True)
class Kpi:
    """One figure of the top row.

    delta: the movement in words ("+1.2 points"), 0 when there is none; grey, for sums move with who is there, and that
    customers have left is no gain. since: what it is compared with. trend: earlier values, oldest first, drawn
    from three on. band: how sure it is ("90 % band 3 to 8"), in place of delta.
    """

    label: str
    value: str
    says: str
    delta: str | int | None = None
    since: str = ""
    trend: Sequence[float] = ()
    band: str = ""


@contextmanager
def told() -> Iterator[None]:
    """Show what a person can put right as advice; a bug stays a bug."""
    try:
        yield
    except engine.EngineError as problem:
        st.error(escaped(str(problem)), icon=":material/error:")


def escaped(text: str) -> str:
    """Text from data, so that Markdown leaves it as it is, and no line ends between a figure and its per cent sign."""
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")
    for sign in r"\`*_{}[]<>#|~$:":
        text = text.replace(sign, "\\" + sign)
    return text


def header(question: str, here: Here, sentence: str = "") -> None:
    """The question that the screen answers, what stands out today, and about which data it speaks."""
    st.title(question, anchor=False)
    if sentence:
        st.markdown(escaped(sentence))
    about(here)
    severe(here)


def about(here: Here) -> None:
    """Which data, as of when, by which model, and whether they are invented."""
    dataset, run = here.dataset, here.scope.run
    told = [dataset.name, f"{plural(run.customers, 'customer')} scored as of {run.as_of:%d %b %Y}",
            f"leaving means: {dataset.label.words}", f"model {run.model_id[:SHORT]}",
            *([] if here.currency else ["money is in the file's own unit"])]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if dataset.synthetic:
            st.badge("Synthetic: an invented company", icon=":material/science:", color="orange")
        st.caption(escaped(" · ".join(told)))
    if not catalog.is_in_use(run):
        st.caption(":material/history: These are not the scores in use. Those stand first in the list at the side.")


def severe(here: Here) -> None:
    """Findings that head every figure until a person answers them."""
    answered = {answer.name for answer in saved.kept("answer", here.dataset.name, actor=here.actor)}
    for finding in answers.findings(here.card, here.dataset):
        if finding.severity == "severe" and answers.name_of(finding) not in answered:
            st.warning(escaped(card_words.told(here.card, finding)), icon=ICONS["severe"])
    if not here.card.usable:
        st.error("The model knows nothing about who leaves: do not act on these figures.", icon=ICONS["error"])


def kpis(figures: Sequence[Kpi]) -> None:
    """The top row: at most four cards of equal height; four stand in a row, two by two, or one below the other."""
    if len(figures) != FOUR:
        _cards(figures)
        return
    with st.grid(2, min_column_width=390, row_height="content"):
        _cards(figures[:2])
        _cards(figures[2:])


def _cards(figures: Sequence[Kpi]) -> None:
    with st.grid(len(figures), min_column_width=185, row_height="content", height="stretch"):
        for figure in figures:
            st.metric(figure.label, figure.value, escaped(figure.band) or figure.delta, border=True, height="stretch",
                      help=figure.says, delta_arrow="off" if figure.band else "auto",
                      delta_color="off",
                      delta_description=figure.since or None,
                      chart_data=list(figure.trend) if len(figure.trend) >= LEAST_TREND else None, chart_type="line")


@contextmanager
def card(title: str, says: str = "") -> Iterator[None]:
    """A surface with a title and one line of explanation."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{escaped(title)}**")
        if says:
            st.caption(escaped(says))
        yield


def show(chart: Chart, key: str, *, on_select: Callable[[], None] | Literal["rerun"] | None = None,
         modes: Sequence[Mode] = ("points",)) -> Any:
    """A chart on a card, with its data a click away; returns what is selected in it."""
    with card(chart.title, chart.says):
        return plot(chart, key, on_select=on_select, modes=modes)


def plot(chart: Chart, key: str, *, on_select: Callable[[], None] | Literal["rerun"] | None = None,
         modes: Sequence[Mode] = ("points",)) -> Any:
    """A chart and its data, for a card that holds more than the chart."""
    picked = st.plotly_chart(chart.figure, key=key, on_select=on_select or "ignore", selection_mode=modes,
                             alt=chart.alt or f"{chart.title}. {chart.says}",
                             config={"displaylogo": False, "displayModeBar": False, "scrollZoom": False})
    as_table(chart, key)
    return picked


def carried(picked: Any) -> list[tuple[Any, ...]]:
    """The custom data of the points selected in a chart, in the order in which the chart was given them."""
    found = [point["customdata"] for point in picked["selection"]["points"]]
    return [tuple(data.values()) if isinstance(data, Mapping) else tuple(data) for data in found]


def as_table(chart: Chart, key: str) -> None:
    """The chart's data as a table, sent only when asked for."""
    with st.expander("Show as a table", key=f"{key}_table", type="compact", on_change="rerun") as opened:
        if opened.open:
            st.dataframe(chart.data, hide_index=True, key=f"{key}_data", alt=f"Data of the chart: {chart.title}")


def findings(found: Sequence[Finding]) -> None:
    """Findings, the worst first, each with what to do."""
    for finding in found:
        st.markdown(f"{ICONS[finding.severity]} **{escaped(finding.where)}**: {escaped(finding.what)} "
                    f":gray[{escaped(finding.fix)}]")


def empty(what: str, do: str) -> None:
    """Nothing to show, and what to do about it."""
    with st.container(border=True):
        st.markdown(f"**{escaped(what)}**")
        st.caption(do)


def unweighed(title: str, here: Here) -> None:
    """A screen that weighs costs against value, of data whose value is no money."""
    header(title, here, "No cost can be weighed here.")
    empty("These data hold no money.", engine.insight.NO_MONEY)


def hint(screen: str, text: str) -> None:
    """What a newcomer to the screen should know; gone for good once dismissed."""
    actor = state.here().actor
    name = f"{actor.id}: {screen}"
    if name in state.dismissed(actor):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"hint_{screen}"):
        st.markdown(f":material/lightbulb: {text}", width="stretch")
        st.button("Got it", key=f"hint_{screen}_off", type="tertiary", on_click=state.dismiss, args=(actor, name))
