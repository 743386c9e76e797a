"""The row of filters under a screen's title: segment, risk, LTV tier and one feature, kept in the address."""

from __future__ import annotations

import streamlit as st

from engine.insight import Filters, audiences, meaning, segments
from engine.schema import LTV_TIERS, RISK_BANDS, SEGMENTS
from ui.components import told
from ui.links import named_in_address, not_there, set_by_hand
from ui.state import Here, answer

ANY = "Any feature"
NO_AUDIENCE = "None"
LISTS = (("segment", "Segment", SEGMENTS), ("churn_risk", "Risk", RISK_BANDS), ("ltv_tier", "LTV tier", LTV_TIERS))


def filter_row(page: str, here: Here) -> Filters:
    """Whom the screen speaks of; nothing chosen lets everybody through who is still there."""
    with st.grid(6 if here.may("customers") else 5, min_column_width=150):
        chosen = {column: tuple(st.multiselect(title, options, key=f"{page}_{column}", bind="query-params",
                                               placeholder="All", format_func=in_words))
                  for column, title, options in LISTS}
        filters = Filters({name: values for name, values in chosen.items() if values})
        if here.may("customers"):
            filters = _within_audience(page, here, filters)
        filters = _by_feature(page, here, filters)
    not_there(f"{page}_audience", "audience", "Everybody stands here instead.")
    return filters


def in_words(option: str) -> str:
    """A filter's option as people read it.

    >>> in_words("HIGH"), in_words("At-Risk VIP")
    ('High', 'At-Risk VIP')
    """
    return option.capitalize() if option in RISK_BANDS else option


def _within_audience(page: str, here: Here, filters: Filters) -> Filters:
    """The filters within an audience that is opened."""
    kept = audiences.audiences(here.dataset.name, here.actor)
    key = f"{page}_audience"
    named_in_address(key, [NO_AUDIENCE, *kept])
    name = st.selectbox("Audience", [NO_AUDIENCE, *kept], key=key, bind="query-params", on_change=set_by_hand,
                        args=(key,), help="A saved selection of customers. The other filters apply within it.")
    if name == NO_AUDIENCE:
        return filters
    with told():
        return filters.within(audiences.audience(here.dataset.name, name, here.actor))
    return filters


def _by_feature(page: str, here: Here, filters: Filters) -> Filters:
    """The filters within some groups of one feature, which are offered once it is chosen."""
    offered = {column.title: column for column in meaning.sorting_columns(here.scope)}
    title = st.selectbox("Feature", [ANY, *offered], key=f"{page}_feature", bind="query-params")
    if title not in offered:
        return filters
    column = offered[title]
    groups = answer(segments.groups, here.scope, column)
    chosen = st.multiselect(column.title, list(groups), key=f"{page}_group", bind="query-params", placeholder="All",
                            max_selections=None if column.kind in ("category", "text") else 1)
    picked = [groups[name] for name in chosen if name in groups]
    return filters.within(segments.in_groups(Filters(), column, picked))
