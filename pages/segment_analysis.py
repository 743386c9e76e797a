"""Segment Analysis: how do segments differ, and who is in them?"""

import streamlit as st

from engine.insight import Filters, overview
from engine.schema import money, money_range, share
from ui import segment_parts as parts
from ui.components import Kpi, empty, header, hint, kpis
from ui.filters import filter_row
from ui.state import Here, answer, here


def top_row(stands: overview.Standing, whole: int, place: Here) -> list[Kpi]:
    """Those in view in four figures."""
    leavers, margin, currency = stands.leavers, stands.margin_at_risk, place.currency
    return [
        Kpi("Customers in view", f"{stands.customers:,}", "Customers who are still there and pass the filters.",
            band=f"all {whole:,} scored" if stands.customers == whole else
            f"{share(stands.customers / max(whole, 1))} of {whole:,} scored"),
        Kpi("Expected leavers", f"{leavers.value:,.0f}", "The sum of their chances. The interval holds "
            f"{leavers.method}.", band=f"90 % interval {leavers.low:,.0f} to {leavers.high:,.0f}"),
        Kpi("Margin at risk", money(margin.value, currency), "Chance to leave x what the customer is worth if not, "
            f"summed. The interval holds {margin.method}.",
            band=f"90 % interval {money_range(margin.low, margin.high, currency)}"),
        Kpi("Average expected LTV", money(stands.mean_ltv, currency), "Expected discounted margin per customer over "
            "the LTV horizon, leaving counted once.", band="per customer"),
    ]


def views(place: Here, filters: Filters, stands: overview.Standing) -> None:
    """Breakdown, by feature, compare: only the one that is open is computed."""
    breakdown, feature, compare = st.tabs(["Breakdown", "By feature", "Compare two"], key="segments_view",
                                          on_change="rerun", bind="query-params")
    there = parts.order(stands.segments["segment"])
    for tab, draw in ((breakdown, lambda: parts.breakdown(place, stands)),
                      (feature, lambda: parts.by_feature(place, filters)),
                      (compare, lambda: parts.compare(place, filters, there))):
        if tab.open:
            with tab:
                draw()


def main() -> None:
    """Filter, look, pick, list."""
    place = here()
    top, row = st.container(), st.container()
    with row:
        filters = filter_row("segments", place)
    stands = answer(overview.standing, place.scope, overview.doubt(place.card), filters, medians=True)
    with top:
        header("How do segments differ?", place, overview.contrast(stands, place.currency))
        hint("segments", "Filter, then select in the picture or pick a corner: the list below shows who they are. A "
             "filter or a selection can be saved as an audience.")
    if not stands.customers:
        empty("Nobody passes these filters.", "Take one of the filters away.")
        return
    kpis(top_row(stands, place.scope.run.customers, place))
    words, chosen = parts.picked(place, filters) or ("", filters)
    found = answer(overview.standing, place.scope, overview.doubt(place.card), chosen) if words else stands
    left, right = st.columns([5, 2])
    with left:
        counted = parts.plane(place, filters, stands, words)
    with right:
        parts.beside_the_plane(place, filters, counted, words)
        parts.behind(place, chosen, found, words)
    parts.customers(place, chosen, found.customers, words)
    views(place, filters, stands)


main()
