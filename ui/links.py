"""From one screen to another: a customer's id that opens Customer Lookup, a segment that opens Segment Analysis."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.navigation import BY_URL


def customer_column(key: str, title: str = "Customer") -> Any:
    """A table's column of customer ids, each a button; give the key to `open_clicked` after the table."""
    return st.column_config.ButtonColumn(title, help="Open in Customer Lookup", type="tertiary", alignment="left",
                                         pinned=True, key=key)


def open_clicked(key: str) -> None:
    """Go to the customer whose id has been clicked in the table with that key."""
    clicked = st.session_state.get(key)
    if clicked:
        st.switch_page(BY_URL["customer"].path, query_params={"customer": clicked["label"]})


def open_segment(segment: str) -> None:
    """Go to the segment's customers."""
    st.switch_page(BY_URL["segments"].path, query_params={"segments_segment": segment})
