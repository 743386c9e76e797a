"""Revenue Recovery: what would a retention campaign return, and what do we get for this budget?"""

from typing import Any

import streamlit as st

from engine import insight, saved
from engine.insight import Simulation, overview
from engine.insight.off_limits import off_limits
from engine.schema import money_in_full, money_range, plural
from ui import recovery
from ui.campaigns.brought import track_record
from ui.charts import recovery as charts
from ui.components import card, empty, escaped, header, hint, kpis, show, told, unweighed
from ui.state import answer, here, now
from ui.tables import table

TITLE = "What would a campaign bring back?"
SEGMENT_HEADS = {
    "segment": "Segment", "contacted": "Contacted", "leavers": "Expected leavers", "investment": "Investment",
    "saves": "Saves", "net": "Net return", "band": "90 % band", "roi": "ROI", "pays_from": "Break-even rate",
}
SCENARIO_HEADS = {"scenario": "Scenario", "budget": "Budget", "investment": "Investment", "saves": "Saves",
                  "net": "Net return", "roi": "ROI"}


def segments_card(found: Simulation, currency: str) -> None:
    """Each segment's part of the answer; nothing where nobody can be contacted."""
    if not found.segments:
        return
    rows = [{"segment": part.segment, "contacted": f"{part.customers:,.0f} of {whole.customers:,.0f}",
             "leavers": f"{whole.leavers:,.1f}", **recovery.figures(part, currency),
             "band": f"{money_range(part.net.low, part.net.high, currency)}",
             "pays_from": insight.rate_words(whole.break_even)}
            for part in found.segments for whole in [found.whole[part.segment]]]
    with card("Segment by segment", "What the budget buys in each. Break-even rate: the share of a segment's leavers "
              "that must be kept for contacting all of it to pay."):
        table(rows, SEGMENT_HEADS, "recovery_segments", "What the budget buys in each segment")


def comparison(found: Simulation, kept: list[saved.Saved], cells: Any) -> None:
    """The saved scenarios beside what is set now, on the scores looked at."""
    if not kept:
        empty("No scenarios to compare yet.", "Save what is set now under a name, then change it and save again.")
        return
    names = [entry.name for entry in kept]
    compared = st.session_state.get(recovery.COMPARED, names[:recovery.MOST_COMPARED])
    st.session_state[recovery.COMPARED] = [name for name in compared if name in names]
    chosen = st.multiselect("Compare with", names, key=recovery.COMPARED, max_selections=recovery.MOST_COMPARED)
    simulated = {"What is set now": found}
    for entry in (entry for entry in kept if entry.name in chosen):
        with told():
            simulated[entry.name] = insight.simulate(cells, insight.Scenario.of(entry.content))
    place, left, right = here(), *st.columns(2)
    rows = [{"scenario": name, "budget": money_in_full(each.scenario.budget, place.currency),
             **recovery.figures(each.total, place.currency)} for name, each in simulated.items()]
    with left:
        totals = {name: each.total for name, each in simulated.items()}
        show(charts.compared(totals, place.currency, place.look), "recovery_compared")
    with right, card("The same in figures", "Expected values; ROI is net return / investment."):
        table(rows, SCENARIO_HEADS, "recovery_compared_rows", "Scenarios side by side")


def pictures(found: Simulation) -> None:
    """Which segments are refused, then the budget, the money's way and the break-even."""
    place = here()
    for segment, reason in found.refused.items():
        st.warning(f"**{segment}**: no saves are credited. {escaped(reason)}", icon=":material/block:")
    if not found.whole:
        empty("Nobody to contact.", "Choose another segment.")
        return
    show(charts.budget(found, place.currency, place.look), "recovery_budget")
    if found.total.customers:
        with st.grid(2, min_column_width=420) if recovery.many(place) else st.container():
            show(charts.flow(found, place.currency, place.look), "recovery_flow")
            show(charts.pays_from(found, place.currency, place.look), "recovery_pays")


def main() -> None:
    """Choose, simulate, show."""
    place = here()
    if not place.dataset.worth_in_money:
        unweighed(TITLE, place)
        return
    kept = saved.kept("scenario", place.dataset.name, actor=place.actor)
    found_there = answer(insight.contactable, place.scope, overview.doubt(place.card))
    cells, starts = found_there.cells, insight.recovery_starts(place.scope, found_there.left_out)
    top, bar, row = st.container(), st.container(horizontal=True, vertical_alignment="bottom"), st.container()
    left, right = (st.container(), st.container()) if recovery.many(place) else st.columns([1, 2])
    with bar:
        recovery.choose_scenario(place, kept)
        budget = recovery.choose_budget(place)
        actions = st.container(horizontal=True, vertical_alignment="bottom", width="content")
    with left:
        scenario = recovery.choose(place, starts, budget)
    found = insight.simulate(cells, scenario)
    with actions:
        recovery.keep_scenario(place, scenario)
    with top:
        header(TITLE, place,
               f"{insight.recovery_sentence(found, place.currency)} {insight.rates_words(starts, scenario)}".strip())
        recovery.heed_address()
        hint("recovery", "Move a slider and see what changes. A rate is an assumption unless it says what measured it.")
    with row:
        kpis(recovery.top_row(found.total, budget, place.currency))
    with right.container():
        pictures(found)
    segments_card(found, place.currency)
    st.caption("One offer to each segment, at the rates set here; a plan chooses for each customer, within "
               "consent and capacities (see Action Center), and so comes to other figures for the same budget.")
    if busy := off_limits(place.scope, now(), actor=place.actor).busy:
        st.caption(f"As if nobody were being contacted now: {plural(busy, 'customer')} whom a running campaign treats "
                   "or holds out, or who rest after a contact, are counted here; a plan leaves them out.")
    if said := overview.brought_words(answer(overview.still_brought, place.scope)):
        st.caption(said)
    comparison(found, kept, cells)
    track_record(place)


main()
