"""Action Center: whom do we contact, with what, what leaves the building, and what did it save?"""

import streamlit as st

from engine.insight import Listing, worklist
from engine.insight.off_limits import OffLimits, off_limits
from engine.insight.reach import of_steps
from engine.schema import cost, money, plural
from ui import action_parts as parts
from ui import desk_parts
from ui.campaigns import screen as campaigns
from ui.components import Kpi, card, empty, header, hint, kpis, told
from ui.state import Here, answer, here, now

ROWS = 25
CALLED = 10


def top_row(found: worklist.Tally, listing: Listing, currency: str) -> list[Kpi]:
    """The whole list in four figures."""
    total = found.total(listing)
    return [
        Kpi("On the list", f"{total.customers:,}", "Customers on the chosen list, all filters applied."),
        Kpi("Margin at risk", money(total.margin_at_risk, currency), "Chance to leave x value if the customer stays, "
            "summed; nothing for customers who have left already."),
        Kpi("Contact cost", cost(total.contact_cost, currency), "What contacting all of them costs, without offers."),
        Kpi("No consent", parts.refused(total), "Of those on the list, customers who have not agreed to be "
            "reached through the channel of their step."),
    ]


def call_list(place: Here, found: worklist.Tally, listing: Listing) -> tuple[str, ...]:
    """The customers to call today; returns their ids."""
    rows = answer(worklist.rows, place.scope, listing, place.actor, most=CALLED)
    ids = tuple(rows["customer_id"])
    if not ids:
        empty("Nobody is to be called.", "Widen the filters, or look at the whole list under To contact.")
        return ids
    st.header(f"{plural(len(ids), 'customer')} to call", anchor=False)
    agreed = "" if found.total(listing).unsaid else "Only those who agreed to be called. "
    st.caption(f"{agreed}What happened lately is counted back from "
               f"{place.scope.run.as_of:%d %b %Y}.")
    parts.calls(rows, parts.contacts(place, ids), place)
    return ids


def whole_list(place: Here, found: worklist.Tally, listing: Listing) -> tuple[str, ...]:
    """The list, a page at a time; returns the ids that are ticked on all of its pages."""
    total = found.total(listing).customers
    if not total:
        empty("Nobody is on this list.", "Widen the filters, or choose another list above.")
        return ()
    with_contact, table = parts.contact_switch(place), st.container()
    page = parts.pages(total, ROWS)
    rows = answer(worklist.rows, place.scope, listing, place.actor, start=ROWS * (page - 1), most=ROWS)
    known = parts.contacts(place, tuple(rows["customer_id"])) if with_contact else None
    with table:
        ids = parts.table(rows, known, place, listing, page)
    parts.by_step(found, listing, place.currency)
    parts.by_rule(found, listing, place.currency)
    return ids


def lists(place: Here) -> None:
    """Audience, list and export across the top; beneath, the customers."""
    head, (audience, chosen, export) = st.container(), st.columns([1, 1.35, 1.15])
    barred = off_limits(place.scope, now(), actor=place.actor)
    with audience, card("1 · Audience"):
        base = parts.audience(place, barred)
    with chosen, card("2 · List"):
        view, order = parts.view(), st.container()
    with st.grid(5, min_column_width=150):
        filters = parts.narrowed(base, place.currency)
        found = answer(worklist.tally, place.scope, filters, place.actor)
        listing = parts.means(found, parts.listed(filters, view))
    with order:
        listing = parts.ordered(found, listing)
    listing = parts.segments(found, listing, place.currency)
    with head:
        header("Whom do we contact, and with what?", place, parts.sentence(found, listing, place.currency))
        hint("actions", "Each customer has one step, from the playbook, and a reason. Tick rows to take "
             "only those. Nothing leaves before you prepare an export.")
        kpis(top_row(found, listing, place.currency))
    st.caption("A list gives everybody the first step of the playbook that fits, whether it pays or not. A plan weighs "
               "every offer for every customer and may choose another, or none: where they differ, follow the plan "
               "(see Campaigns).")
    picked = call_list(place, found, listing) if view == parts.CALLS else whole_list(place, found, listing)
    if kept_off := answer(OffLimits.kept_off, barred, place.scope, listing):
        st.caption(f":material/do_not_disturb_on: {kept_off}")
    if unreached := of_steps(found.channels(listing), place.dataset.names):
        st.caption(f":material/contact_mail: {unreached}")
    with export, card("3 · Export"):
        parts.export(place, found, listing, picked, view)


VIEWS = {"Lists": lists, "Campaigns": campaigns.screen, "Save desk": desk_parts.screen}

with told():
    shown = st.segmented_control("View", list(VIEWS), default="Lists", required=True, key="actions_view",
                                 bind="query-params", label_visibility="collapsed")
    VIEWS[shown or "Lists"](here())
