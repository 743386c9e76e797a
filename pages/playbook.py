"""Playbook: what can we do for a customer, what does it cost, and what do we know of its effect?"""

import streamlit as st

from ui import playbook_parts as parts
from ui.components import header, hint
from ui.state import Here, here

VIEWS = ("Effects", "Treatments", "Text")


def main() -> None:
    """What is believed, what can be done, and the text to change it."""
    place: Here = here()
    found = parts.known(place)
    header("What can we do, and does it work?", place, parts.sentence(place.scope.book, found))
    hint("playbook", "An effect is an assumption until a campaign with a holdout measures it. The text is your own "
         "to change.")
    view = st.segmented_control("Show", VIEWS, default=VIEWS[0], required=True, key="playbook_view",
                                bind="query-params", label_visibility="collapsed")
    if view == "Effects":
        parts.effects(place, found)
    elif view == "Treatments":
        parts.treatments(place)
    else:
        parts.editor(place)
        parts.history(place)


main()
