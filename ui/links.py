"""From one screen to another: a customer's id that opens Customer Lookup, a segment that opens Segment Analysis; and
what an address asks for that cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, Literal

import streamlit as st

from ui.components import escaped
from ui.navigation import BY_URL

Bind = Literal["query-params"]
LONGEST, LONGEST_NAME = 20, 120
LARGEST = 2.0**53 - 1  # beyond it a browser's numbers are not exact, and Streamlit refuses them


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


def from_address(key: str, least: float = 0.0, most: float = math.inf) -> Bind | None:
    """How a number's field is bound to the address, asked before it is drawn: what it cannot hold is taken out of the
    address, and `impossible` tells of it.

    Streamlit would drop it without a word, and falls over an infinite one: then the field stays unbound.
    """
    asked = st.query_params.get(key)
    if asked is not None and key not in st.session_state and not least <= _number(asked) <= min(most, LARGEST):
        st.session_state[_note(key)] = asked[:LONGEST]
        st.session_state[f"_infinite_{key}"] = math.isinf(_number(asked))
        del st.query_params[key]
    return None if st.session_state.get(f"_infinite_{key}") else "query-params"


def named_in_address(key: str, names: Collection[str]) -> None:
    """Take a name that is not among those there are out of the address, asked before its field is drawn; `not_there`
    tells of it. Streamlit would fall back to the first without a word."""
    asked = st.query_params.get(key)
    if asked is not None and key not in st.session_state and asked not in names:
        st.session_state[_note(key)] = asked[:LONGEST_NAME]
        del st.query_params[key]


def not_there(key: str, what: str, instead: str) -> None:
    """Say what the address asked for that is not there, as long as nobody has chosen anything."""
    if asked := st.session_state.get(_note(key)):
        st.warning(escaped(f"The address asks for the {what} {asked}, which is not there, or no more. {instead}"),
                   icon=":material/info:")


def impossible(key: str, what: str) -> None:
    """Say what the address asked for that cannot be, as long as nobody has set the field."""
    if asked := st.session_state.get(_note(key)):
        st.warning(escaped(f"The address asks for {asked} as {what}, which cannot be: what stands here is used "
                           "instead."), icon=":material/info:")


def set_by_hand(key: str) -> None:
    """The field has been set: what the address asked for is of no account any more."""
    st.session_state.pop(_note(key), None)


def _note(key: str) -> str:
    return f"_impossible_{key}"


def _number(text: str) -> float:
    """The number that it is; nan where it is none.

    >>> [_number(text) for text in ("20000", "-5", "1e999", "plenty", "")]
    [20000.0, -5.0, inf, nan, nan]
    """
    try:
        return float(text)
    except ValueError:
        return math.nan
