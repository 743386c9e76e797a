"""Customer Lookup: who is this customer, why the risk, and what should we do?"""

from typing import Any

import streamlit as st

from ui import customer_levers, customer_parts
from ui.charts import customer as charts
from ui.components import header, hint, show
from ui.state import Here, here


def portrait(place: Here, record: dict[str, Any]) -> None:
    """Everything about one customer, what a decision needs first."""
    customer_parts.who(place, record)
    customer_parts.mind(place, record)
    customer_parts.figures(place, record)
    left, middle, right = st.columns([3, 4, 3])
    with left:
        show(charts.gauge(record, place.look), "customer_gauge")
    with middle:
        show(charts.months_ahead(record, place.look), "customer_ahead")
    with right:
        customer_parts.steps(record, place)
    customer_parts.why(record, place)
    customer_levers.what_if(place, record)
    customer_parts.happened(place, record["customer_id"])
    left, right = st.columns([2, 3])
    with left:
        customer_parts.beside(place, record)
    with right:
        customer_parts.alike(place, record["customer_id"])
    customer_parts.everything(record)


def main() -> None:
    """Find, then show."""
    place, top = here(), st.container()
    customer_parts.find(place)
    who = customer_parts.chosen(place)
    record = customer_parts.opened(place, who) if who else None
    with top:
        header("Who is this customer, and what should we do?", place,
               customer_parts.sentence(record, place.currency) if record else "")
        hint("customer", "Search by id, name or e-mail. The address in your browser holds the customer: share it.")
    if record:
        portrait(place, record)
    else:
        customer_parts.start(place)


main()
