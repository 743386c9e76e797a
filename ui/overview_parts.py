"""The parts of the overview: headline figures with their movement, what changed, findings that need a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

import engine
from engine import insight
from engine.catalog import Run
from engine.insight import answers, movement, overview
from engine.insight.card_words import in_own_words
from engine.schema import Actor, Estimate, give_or_take, money, plural, share
from ui.charts import overview as charts
from ui.charts.overview import unit as in_unit
from ui.components import ICONS, Kpi, card, empty, escaped, plot, told
from ui.links import customer_column, open_clicked
from ui.navigation import BY_URL
from ui.state import Here, answer, now

POINTS = "{:+.1f} points"
RISEN, FALLEN = "Risen", "Fallen"
BANDS, SEGMENTS = "Risk", "Segment"


def age(here: Here) -> None:
    """How old the data are, with what to do once the chances speak of the past."""
    found = overview.age(here.scope, now())
    if not found.over:
        st.caption(f":material/schedule: {found.words}")
    elif here.dataset.synthetic:
        st.caption(f":material/schedule: {found.words} An invented company stays at its moment.")
    else:
        st.warning(f"{found.words} Bring newer data and score again before acting on these figures.",
                   icon=":material/schedule:")


def compared_with(here: Here) -> Run | None:
    """The earlier run to compare with, chosen where there are several; None for the first run."""
    choices = movement.earlier(here.scope.run)
    if len(choices) < 2:
        return next(iter(choices.values()), None)
    words = {name: f"{name.capitalize()}: {run.as_of:%d %b %Y}" for name, run in choices.items()}
    chosen = st.segmented_control("Compare with", list(choices), key="overview_than", bind="query-params",
                                  required=True, default=next(iter(choices)), format_func=words.__getitem__)
    return choices[chosen or next(iter(choices))]


def top_row(here: Here, stands: overview.Standing, than: Run | None) -> list[Kpi]:
    """The four headline figures, each with its movement and the runs so far as a line."""
    *before, run = movement.history(here.scope.run)
    told = [*(answer(movement.totals, insight.scope(run.dataset, other.run_id)) for other in before),
            movement.totals_of(stands, here.scope)]
    then = answer(movement.totals, insight.scope(than.dataset, than.run_id)) if than else None
    last, days, currency = told[-1], here.dataset.label.horizon_days, here.currency
    moves = _moves(last, then, currency) if then else {}
    since = f"since {than.as_of:%d %b %Y}" if than else ""
    against = _against(than, then) if than and then else {}
    apart = f"in {then.currency or 'a currency not named'} then, not compared" if then else ""

    def kpi(name: str, label: str, value: str, says: str, band: str = "") -> Kpi:
        moved = moves.get(name)
        alone = moved is None
        if alone:
            return Kpi(label, value, says, moved, "", movement.course(told, name), apart or band)
        return Kpi(label, value, f"{says} {against.get(name, '')}".strip(), moved, since, movement.course(told, name))

    leavers, at_risk = stands.leavers, stands.margin_at_risk
    return [
        kpi("leavers", f"Expected leavers of {stands.customers:,}", f"{leavers.value:,.0f} ± {_half(leavers):,.0f}",
            f"Customers expected to leave within {days} days: the sum of their chances. {_band(leavers)}",
            f"within {days} days"),
        kpi("margin_at_risk", "Margin at risk", give_or_take(at_risk.value, _half(at_risk), currency),
            f"Chance to leave x what the customer is worth if not, summed. {_all_the_same(stands)}{_band(at_risk)}",
            f"{share(at_risk.value / max(stands.at_stake, 1e-9))} of what is at stake"),
        kpi("mean_ltv", "Average expected LTV", money(stands.mean_ltv, currency),
            "Expected discounted margin per customer over the LTV horizon, leaving counted once.", "per customer"),
        kpi("vip_share", "Margin at risk in At-Risk VIP", share(stands.vip_share),
            "The share of the margin at risk that sits with customers of high value and high risk.",
            _vips(stands)),
    ]


def _against(than: Run, then: movement.Totals) -> dict[str, str]:
    """What each figure's movement is counted from, in a sentence; and what was said then, where another model did."""
    made = movement.said_then(than)
    said = _told(answer(movement.totals, insight.scope(made.dataset, made.run_id))) if made else {}
    by = ", by today's model, which has learned since" if than.looks_back else ""
    return {name: f"The movement is against {value} on {than.as_of:%d %b %Y}{by}."
                  + (f" What was said then, by model {made.model_id[:6]}: {said[name]}." if made else "")
            for name, value in _told(then).items()}


def _told(of: movement.Totals) -> dict[str, str]:
    """A run's headline figures in words."""
    return {"leavers": f"{of.leavers:,.0f}", "margin_at_risk": money(of.margin_at_risk, of.currency),
            "mean_ltv": money(of.mean_ltv, of.currency), "vip_share": share(of.vip_share)}


def _moves(last: movement.Totals, then: movement.Totals, currency: str) -> dict[str, str | int]:
    """How each figure moved, in words; 0 where it did not. Money of two currencies is not compared."""
    margin, ltv = last.margin_at_risk - then.margin_at_risk, last.mean_ltv - then.mean_ltv
    words = {"leavers": f"{last.leavers - then.leavers:+,.0f}", "margin_at_risk": _signed(margin, currency),
             "mean_ltv": _signed(ltv, currency), "vip_share": POINTS.format(100 * (last.vip_share - then.vip_share))}
    if then.currency != currency:
        words = {name: told for name, told in words.items() if name not in movement.MONEY}
    return {name: told if any(sign in told for sign in "123456789") else 0 for name, told in words.items()}


def _signed(value: float, currency: str) -> str:
    return ("+" if value >= 0 else "") + money(value, currency)


def _all_the_same(stands: overview.Standing) -> str:
    """What of the margin at risk leavers bring nevertheless, in a sentence."""
    part = stands.still_brought
    return f"Leavers bring {share(part)} of it all the same. " if part > 0 else ""


def _half(found: Estimate) -> float:
    """Half the width of its interval."""
    return (found.high - found.low) / 2


def _band(found: Estimate) -> str:
    return f"The interval holds {found.method}."


def _vips(stands: overview.Standing) -> str:
    vips = stands.segments.loc[stands.segments["segment"] == overview.VIP, "customers"].sum()
    return f"{plural(int(vips), 'customer')}, {share(vips / max(stands.customers, 1))} of all"


def segment_links(segments: Any) -> None:
    """Each segment as a link, so that the keyboard and a screen reader open what a click on its bar opens."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="overview_segments"):
        st.caption("Open:", width="content")
        for segment in segments.sort_values("margin_at_risk", ascending=False)["segment"]:
            st.page_link(BY_URL["segments"].path, label=segment, icon="",
                         query_params={"segments_segment": segment}, width="content")


# ---- what changed


def what_changed(here: Here, than: Run | None) -> None:
    """Who moved between bands and segments, who rose and fell most and why; what to do while there is one run only."""
    if than is None:
        empty("Nothing to compare with yet: this is the first scoring run.",
              "Bring newer data on the Data screen, or run `python -m engine run` with the new file and the same name. "
              "What changed since this run appears here then.")
        return
    found = answer(movement.changes, here.scope, than.run_id, Actor("any", here.actor.role))
    left, right = st.columns([2, 3])
    with left:
        _moved(here, found)
    with right:
        _movers(here, found)


def _moved(here: Here, found: movement.Changes) -> None:
    what = st.session_state.get("overview_moved") or BANDS
    matrix, word = (found.bands, "risk band") if what == BANDS else (found.segments, "segment")
    says = (f"Of {found.stayed:,} customers here at both moments: rows then, columns now."
            + ("" if found.same_model else " Another model judged then: part of the movement is the model's.")
            + (" It looks back: today's model, which has learned from what came since, judged that moment."
               if found.than.looks_back and found.same_model else ""))
    chart = charts.moved(matrix, word, says, here.look, risk=what == BANDS)
    with card(chart.title, chart.says):
        st.segmented_control("Moved between", [BANDS, SEGMENTS], key="overview_moved", default=BANDS, required=True,
                             label_visibility="collapsed")
        plot(chart, "overview_matrix")


def who_moved(here: Here, than: Run | None) -> None:
    """What of the movement is customers who came and left, and what the others' own."""
    if than is not None:
        found = answer(movement.changes, here.scope, than.run_id, Actor("any", here.actor.role))
        st.caption(f"Since then {found.came_and_went}. Sums move with who is there; of those here at both moments "
                   f"the chance to leave moved by {POINTS.format(100 * found.mean_change)} on average. {_like(than)}")


def _like(than: Run) -> str:
    """What the leavers' movement is counted from, where it is not what was said then; "" where it is."""
    made = movement.said_then(than)
    if made is None:
        return ""
    by_today, said = (answer(movement.totals, insight.scope(run.dataset, run.run_id)) for run in (than, made))
    return (f"Like is compared with like: today's model would have expected {by_today.leavers:,.0f} leavers then; what "
            f"was said then, by the model of the time, was {said.leavers:,.0f}.")


def _movers(here: Here, found: movement.Changes) -> None:
    """The customers whose chance changed most; aggregates alone for those who may not see them."""
    moved = f"On average the chance to leave moved by {POINTS.format(100 * found.mean_change)}."
    with card("Whose risk changed most", moved):
        if found.risers is None or found.fallers is None:
            st.caption("Single customers are shown to marketers and managers. Your role sees figures of all together.")
            return
        which = st.segmented_control("Show", [RISEN, FALLEN], key="overview_movers", default=RISEN, required=True,
                                     label_visibility="collapsed")
        rows = found.risers if which == RISEN else found.fallers
        if rows.empty:
            st.caption(f"Nobody's risk has {str(which).lower()}.")
            return
        reasons = answer(movement.why, here.scope, found.than.run_id, rows, actor=here.actor, now=now())
        _movers_table(here, rows, reasons)


def _movers_table(here: Here, rows: Any, reasons: Mapping[str, str]) -> None:
    told = rows.assign(why=rows["customer_id"].map(reasons).fillna("None of the strongest reasons"),
                       then=100 * rows["then"], now=100 * rows["now"], change=100 * (rows["now"] - rows["then"]))
    percent = st.column_config.NumberColumn
    st.dataframe(
        told[["customer_id", "now", "change", "why", "margin_at_risk"]], hide_index=True, height="content",
        key="overview_movers_table", alt="Customers whose chance to leave changed most", column_config={
            "customer_id": customer_column("overview_open"),
            "now": percent("Now", help="Chance to leave now", format="%.0f %%", width=60),
            "change": percent("Change", help="Of the chance to leave", format="%+.0f points", width=80),
            "why": st.column_config.TextColumn("What changed", width=245, help="The strongest reason that moved. New: "
                                               "it was none of the strongest then; gone: it is none any more."),
            "margin_at_risk": percent(in_unit("At risk", here.currency), help="Margin at risk: the chance to leave "
                                      "times what the customer is worth who stays", format="%.0f", width=90)})
    open_clicked("overview_open")


# ---- findings


def findings(here: Here) -> None:
    """What needs a person: unanswered first, each with its answer or with the way to give one."""
    found = answers.asked(here.card, here.dataset, here.actor)
    open_ones = sum(one.answer is None for one in found)
    title = f"{plural(open_ones, 'finding') if open_ones else 'No finding'} to look at"
    with card(title, "Found in the data and in the model's tests. A severe one heads every screen until answered."):
        if not found:
            st.caption(":material/check_circle: Nothing severe and no warning.")
        for number, one in enumerate(found):
            _finding(here, one, number)


def _finding(here: Here, one: answers.Asked, number: int) -> None:
    finding, (said, action) = in_own_words(here.card, one.finding), st.columns([6, 1], vertical_alignment="center")
    said.markdown(f"{ICONS[finding.severity]} **{escaped(finding.where)}**: {escaped(finding.what)} "
                  f":gray[{escaped(finding.fix)}]" + _answered(one))
    if not here.may("answer"):
        return
    with action:
        if one.answer is None:
            _answer_box(here, one, number)
        else:
            st.button("Ask again", key=f"overview_again_{number}", type="tertiary", on_click=_take_back,
                      args=(here, one), help="Remove the answer; the finding asks for a person again.")


def _answered(one: answers.Asked) -> str:
    if one.answer is None:
        return ""
    said = one.answer.content.get("reason", "")
    return (f"  \n:green[:material/check_circle: Answered] by {escaped(one.answer.actor)} on {one.answer.at:%d %b %Y}: "
            f"{escaped(said)}")


def _answer_box(here: Here, one: answers.Asked, number: int) -> None:
    with st.popover("Answer", key=f"overview_answer_{number}"):
        st.text_area("Why has this been dealt with?", key=f"overview_reason_{number}", max_chars=answers.LONGEST_ANSWER,
                     help="Your answer, your name and the date are shown to everybody and kept in the audit log.")
        st.button("Keep the answer", key=f"overview_keep_{number}", type="primary", on_click=_keep,
                  args=(here, one, f"overview_reason_{number}"))


def _keep(here: Here, one: answers.Asked, key: str) -> None:
    try:
        answers.answer_finding(here.dataset.name, one.finding, st.session_state.get(key) or "", actor=here.actor,
                               now=now())
    except engine.EngineError as problem:
        st.toast(escaped(str(problem)), icon=":material/error:")


def _take_back(here: Here, one: answers.Asked) -> None:
    with told():
        answers.take_back(here.dataset.name, one.finding, actor=here.actor, now=now())
