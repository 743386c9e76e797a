"""The parts of Segment Analysis: the plane, what is picked in it, the customers behind it, audiences, three views."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

import engine
from engine.insight import Filters, audiences, meaning, overview, quadrant, segments
from engine.insight.trust import part
from engine.schema import SEGMENTS, money, plural
from ui.charts import segments as charts
from ui.charts.parts import rows
from ui.components import Mode, card, carried, empty, escaped, plot, show
from ui.filters import NO_AUDIENCE, in_words
from ui.links import customer_column, open_clicked
from ui.state import Here, answer, now

PICKED, ROUND = "segments_picked", "segments_round"
COMPARED = 14
BOX = "Box"
MODES: Mapping[str, Mode] = {"Click": "points", BOX: "box", "Lasso": "lasso"}
Picked = tuple[str, Filters]


def stamp(here: Here, filters: Filters) -> tuple[str, str]:
    """What a pick in the plane belongs to: another run or other filters begin with nothing picked."""
    return here.scope.key, repr(filters)


def picked(here: Here, filters: Filters) -> Picked | None:
    """What is picked in the plane, in words, and the filter that lets it through."""
    found = st.session_state.get(PICKED)
    return found[1] if found and found[0] == stamp(here, filters) else None


def plane(here: Here, filters: Filters, stands: overview.Standing, words: str) -> quadrant.Plane:
    """The plane: points while the customers are few and the reader may see them one by one, else bins."""
    axes = answer(quadrant.axes, here.scope)
    counted = answer(quadrant.plane, here.scope, axes, filters)
    by, corner = st.session_state.get("segments_by_hand") or BOX, words if words in quadrant.CORNERS else ""
    if stands.customers <= quadrant.MOST_POINTS and here.may("customers"):
        found = answer(quadrant.points, here.scope, filters, actor=here.actor, now=now())
        chart = charts.points(found, counted, axes, by, here.currency, here.look, corner)
    else:
        chart = charts.bins(counted, axes, by, here.currency, here.look, corner)
    with card(chart.title, chart.says):
        st.segmented_control("Select by", list(MODES), key="segments_by_hand", default=BOX, required=True,
                             label_visibility="collapsed")
        key = f"segments_plane_{by}_{st.session_state.get(ROUND, 0)}"
        plot(chart, key, on_select=partial(_pick, here, filters, axes, key), modes=(MODES[by],))
    return counted


def _pick(here: Here, filters: Filters, axes: quadrant.Axes, key: str) -> None:
    """Keep what has been selected in the plane; an empty selection lets go of it."""
    chosen = carried(st.session_state[key])
    if not chosen:
        st.session_state.pop(PICKED, None)
    elif len(chosen[0]) == len(charts.PLACE):
        found = quadrant.in_bins(filters, axes, [(int(column), int(row)) for column, row in chosen])
        _keep_pick(here, filters, plural(len(chosen), "marker"), found)
    else:
        found = quadrant.among(filters, [str(carries[0]) for carries in chosen])
        _keep_pick(here, filters, plural(len(found.ids), "point"), found)


def _keep_pick(here: Here, filters: Filters, words: str, found: Filters) -> None:
    st.session_state[PICKED] = stamp(here, filters), (words, found)


def _pick_corner(here: Here, filters: Filters, name: str) -> None:
    axes = answer(quadrant.axes, here.scope)
    _let_go()
    _keep_pick(here, filters, name, quadrant.in_corner(filters, axes, name))


def _let_go() -> None:
    """Nothing is picked any more, and the picture begins anew, for what is selected in it cannot be taken back."""
    st.session_state.pop(PICKED, None)
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1


# ---- beside the plane


def beside_the_plane(here: Here, filters: Filters, counted: quadrant.Plane, words: str) -> None:
    """The four corners, to be picked without the mouse."""
    with card("Pick a corner", "Or select in the picture."):
        for row in rows(counted.corners):
            amount = escaped(money(row.margin_at_risk, here.currency))
            st.button(f"**{row.corner}** · {row.customers:,} · {amount} at risk", key=f"segments_corner_{row.corner}",
                      width="stretch", disabled=not row.customers, type="primary" if words == row.corner else
                      "secondary", on_click=_pick_corner, args=(here, filters, row.corner))
            st.caption(row.means.capitalize(), text_alignment="center")


def behind(here: Here, filters: Filters, found: overview.Standing, words: str) -> None:
    """How those picked stand, and what can be done with them, or with all in view."""
    with card(f"Picked: {words}" if words else "Nobody picked yet"):
        if words:
            st.markdown(_stand(found, here.currency))
        else:
            st.caption("The list below shows everybody in view.")
        if here.may("customers"):
            _audience_box(here, filters)
        if words:
            st.button("Clear the selection", key="segments_clear", icon=":material/close:", on_click=_let_go,
                      width="stretch")


def _stand(found: overview.Standing, currency: str) -> str:
    leavers, margin = found.leavers, found.margin_at_risk
    value, low, high = (escaped(money(amount, currency)) for amount in (margin.value, margin.low, margin.high))
    return (f"**{found.customers:,}** customers  \n**{leavers.value:,.0f}** expected to leave "
            f":gray[({leavers.low:,.0f} to {leavers.high:,.0f})]  \n"
            f"**{value}** margin at risk :gray[({low} to {high})]")


def _audience_box(here: Here, filters: Filters) -> None:
    with st.popover("Save as audience", icon=":material/bookmark_add:", key="segments_save"):
        name = st.text_input("Name", key="segments_audience_name", max_chars=120, placeholder="Fiber, first year")
        st.caption("An audience is opened again in the row of filters. Saving under a name that is taken replaces it.")
        st.button("Save", key="segments_save_now", type="primary", disabled=not name.strip(), on_click=_save,
                  args=(here, name, filters))
    opened = st.session_state.get("segments_audience")
    if opened not in (None, NO_AUDIENCE):
        st.button("Remove audience", key="segments_remove", type="tertiary", icon=":material/bookmark_remove:",
                  on_click=_remove, args=(here, opened))


def _save(here: Here, name: str, filters: Filters) -> None:
    try:
        kept = audiences.keep_audience(here.dataset.name, name, filters, actor=here.actor, now=now())
        st.toast(escaped(f"Saved the audience {kept.name}."), icon=":material/bookmark_added:")
    except engine.EngineError as problem:
        st.toast(escaped(str(problem)), icon=":material/error:")


def _remove(here: Here, name: str) -> None:
    audiences.forget_audience(here.dataset.name, name, actor=here.actor, now=now())
    st.session_state["segments_audience"] = NO_AUDIENCE


# ---- the customers behind it


def customers(here: Here, filters: Filters, count: int, words: str) -> None:
    """The customers whom the filters let through, most margin at risk first; aggregates alone for executives."""
    seen = here.may("customers")
    with card(f"The customers behind it: {words or 'everybody in view'}", _shown(count) if seen else ""):
        if not seen:
            st.caption("Single customers are shown to marketers and managers. Your role sees figures of all together.")
            return
        found = answer(segments.customers, here.scope, filters, actor=here.actor, now=now())
        if found.empty:
            st.caption("Nobody.")
            return
        _table(here, found)


def _shown(count: int) -> str:
    if count <= segments.MOST_LISTED:
        return f"{plural(count, 'customer')}, those with most margin at risk first. Click an id to open the customer."
    return (f"The {segments.MOST_LISTED} with most margin at risk of {plural(count, 'customer')}. Click an id to open "
            "the customer; pull whole lists in the Action Center.")


def _table(here: Here, found: Any) -> None:
    heads, number = meaning.meanings(here.scope), st.column_config.NumberColumn
    rows = found.assign(churn_risk=found["churn_risk"].map(in_words),
                        churn_probability=100 * found["churn_probability"],
                        **{name: _rounded(found[name]) for name in ("expected_ltv", "margin_at_risk")})
    shown = [name for name in found if name != "hold_back" or (found[name] != "").any()]
    st.dataframe(
        rows[shown], hide_index=True, key="segments_customers", height=320, alt="The customers behind the selection",
        column_config={
            "customer_id": customer_column("segments_open"),
            "churn_risk": st.column_config.TextColumn("Risk"),
            "segment": st.column_config.TextColumn("Segment"),
            "churn_probability": st.column_config.ProgressColumn(
                heads["churn_probability"].title, format="%.0f %%", min_value=0, max_value=100),
            **{name: number(_head(here, heads[name].title), format="localized", help=heads[name].meaning)
               for name in ("expected_ltv", "margin_at_risk")},
            "hold_back": st.column_config.TextColumn("Why no action is advised", width="large")})
    open_clicked("segments_open")


def _rounded(amounts: Any) -> Any:
    """Money in a table: whole where amounts reach a hundred."""
    return amounts.round(0 if amounts.max() >= 100 else 2)


def _head(here: Here, title: str) -> str:
    return f"{title} [{here.currency}]" if here.currency else title


# ---- three views of the segments


def breakdown(here: Here, stands: overview.Standing) -> None:
    """Segments as rows: how many, how risky, worth what."""
    table, number = stands.segments, st.column_config.NumberColumn

    def share(title: str, says: str) -> Any:
        return number(title, help=says, format="%.1f %%")

    median = meaning.meaning(here.scope, stands.median_of) if stands.median_of else None
    told = table.assign(**{name: 100 * table[name] for name in ("share", "churn_probability", "margin_share")},
                        **{name: _rounded(table[name]) for name in ("expected_ltv", "margin_at_risk")},
                        leavers=table["leavers"].round())
    with card("Segment by segment", "Customers who are still there and pass the filters; expected leavers are the sum "
              "of their chances."):
        st.dataframe(
            told if median else told.drop(columns="median"), hide_index=True, key="segments_breakdown",
            height="content", alt="Segments with their customers, risk and value", column_config={
                "segment": st.column_config.TextColumn("Segment"),
                "customers": number("Customers", format="localized"),
                "share": share("Share", "Share of the customers in view"),
                "churn_probability": share("Mean chance", "Mean chance to leave within the label window"),
                "leavers": number("Expected leavers", format="localized"),
                "expected_ltv": number(_head(here, "Mean LTV"), format="localized"),
                "margin_at_risk": number(_head(here, "Margin at risk"), format="localized"),
                "margin_share": share("Its share", "Share of the margin at risk in view"),
                "median": number(f"Median {median.title.lower()} [{median.unit}]" if median else "", format="%.0f")})


def by_feature(here: Here, filters: Filters) -> None:
    """Segments by the groups of a feature, chosen here."""
    weighty = {name: place for place, name in enumerate(part(here.card, "importance", "feature") or [])}
    sorting = sorted(meaning.sorting_columns(here.scope), key=lambda column: weighty.get(column.name, len(weighty)))
    offered = {column.title: column for column in sorting}
    if not offered:
        empty("These scores rest on no feature that sorts customers.", "Bring data with more columns.")
        return
    title = st.selectbox("By", list(offered), key="segments_by", bind="query-params", width=320)
    found = answer(segments.heatmap, here.scope, offered[title], filters)
    show(charts.heatmap(found, offered[title], here.look), "segments_heatmap")


def compare(here: Here, filters: Filters, there: list[str]) -> None:
    """Two segments held against each other, by the features that the model rests on most."""
    if len(there) < 2:
        empty("There is only one segment in view.", "Take a filter away to compare two.")
        return
    with st.container(horizontal=True):
        one = st.selectbox("Compare", there, key="segments_one", bind="query-params", width=220)
        other = st.selectbox("with", [name for name in there if name != one], key="segments_other", bind="query-params",
                             width=220)
    important = (part(here.card, "importance", "feature") or list(here.card.features))[:COMPARED]
    found = answer(segments.compare, here.scope, one, other, important, filters)
    if found.empty:
        empty(f"{one} and {other} cannot be told apart.", "Too few customers pass the filters; take one away.")
        return
    show(charts.differences(found, one, other, here.look), "segments_differences")


def order(there: Any) -> list[str]:
    """The segments in view, in their fixed order."""
    return [name for name in SEGMENTS if name in set(there)]
