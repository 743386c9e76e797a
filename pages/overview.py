"""Overview: where do we stand, what is at risk, what changed?"""

import streamlit as st

from engine.insight import distributions, overview
from ui import overview_parts as parts
from ui.charts import overview as charts
from ui.components import card, carried, empty, header, hint, kpis, plot, show
from ui.links import open_segment
from ui.state import Here, answer, here


def at_risk(place: Here, stands: overview.Standing) -> None:
    """Margin at risk by segment, beside what the customers are worth."""
    left, right = st.columns(2)
    with left:
        chart = charts.margin_by_segment(stands.segments, place.currency, place.look)
        with card(chart.title, chart.says):
            picked = plot(chart, "overview_margin", on_select="rerun")
            parts.segment_links(stands.segments)
    with right:
        spread = answer(distributions.densities, place.scope)
        show(charts.ltv_by_segment(spread, place.currency, place.look), "overview_ltv")
    for (segment,) in carried(picked):
        open_segment(segment)


def what_drives(place: Here) -> None:
    """The strongest drivers, beside how value is spread."""
    left, right = st.columns(2)
    with left:
        found = answer(overview.drivers, place.scope)
        if found.empty:
            empty("No reasons were kept with these scores.", "Score again: each run keeps its reasons.")
        else:
            show(charts.drivers(found, place.currency, place.look), "overview_drivers")
    with right:
        offered = {column.title: column for column in distributions.money_columns(place.scope)}
        column = offered.get(str(st.session_state.get("overview_column"))) or next(iter(offered.values()))
        spread = answer(distributions.histogram, place.scope, column)
        chart = charts.histogram(spread, place.currency, place.look)
        with card(chart.title, chart.says):
            st.segmented_control("Spread of", list(offered), key="overview_column", default=next(iter(offered)),
                                 required=True, label_visibility="collapsed")
            plot(chart, "overview_spread")


def main() -> None:
    """Where we stand, from the headline down to what a person must look at."""
    place = here()
    stands = answer(overview.standing, place.scope, overview.doubt(place.card))
    header("Where do we stand?", place, overview.sentence(stands, place.dataset.label.horizon_days))
    parts.age(place)
    hint("overview", "Every figure speaks of customers who are still there. Click a segment's bar to see who is in it; "
         "point at a figure's question mark to read how it is computed.")
    if not stands.customers:
        empty("Everybody in these data has left already.", "Choose another dataset, or bring one with customers left.")
        return
    than = parts.compared_with(place)
    kpis(parts.top_row(place, stands, than))
    parts.who_moved(place, than)
    at_risk(place, stands)
    st.header("What changed", anchor=False)
    parts.what_changed(place, than)
    st.header("What drives it", anchor=False)
    what_drives(place)
    parts.findings(place)


main()
