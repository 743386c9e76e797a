"""What-if on Customer Lookup: the levers, before and after, and the smallest change that is enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine import insight
from engine.insight.levers import Lever, Levers, Outcome
from engine.schema import money, share
from ui.charts import customer as charts
from ui.components import card, escaped, show, told
from ui.state import Here, answer, model_of

AS_IT_IS = "Nothing is changed: move a lever to see what the model would say."
SMALLEST_MOVE = 1e-9


@st.fragment
def what_if(place: Here, record: Mapping[str, Any]) -> None:
    """The levers at the left, what they would bring at the right; alone in its rerun, so that it answers at once."""
    found: Levers = answer(_levers, place.scope, record["customer_id"], place.actor)
    if found.none:
        _without(place, record, found)
        return
    left, right = st.columns([2, 3])
    with left, card("What if", "Levers that a team controls. Everything that follows from them is computed anew."):
        changes = {lever.column: value for lever in found.levers
                   if (value := _control(record["customer_id"], lever)) != lever.now}
        with st.container(horizontal=True):
            if found.smallest:
                st.button("Smallest change", key="customer_smallest", icon=":material/auto_fix_high:", on_click=_set,
                          args=(record["customer_id"], found, found.smallest.changes))
            st.button("Reset", key="customer_reset", type="tertiary", disabled=not changes, on_click=_set,
                      args=(record["customer_id"], found, {}))
    with right:
        with card("Before and after", found.sentence):
            _compared(place, record, changes)
        show(charts.alone(found, place.look), "customer_alone")


def _levers(scope: insight.Scope, customer_id: str, actor: Any) -> Levers:
    model, _ = model_of(scope.dataset.name, scope.run.model_id)
    return insight.levers_of(scope, model, customer_id, actor=actor)


def _outcome(scope: insight.Scope, customer_id: str, changes: tuple[tuple[str, Any], ...], actor: Any) -> Outcome:
    model, _ = model_of(scope.dataset.name, scope.run.model_id)
    return insight.what_if(scope, model, customer_id, dict(changes), actor=actor)


def _today(scope: insight.Scope, customer_id: str, actor: Any) -> Outcome | None:
    model, _ = model_of(scope.dataset.name, scope.run.model_id)
    return insight.order_today(scope, model, customer_id, actor=actor)


def _key(customer_id: str, column: str) -> str:
    return f"customer_lever_{column}_{customer_id}"


def _control(customer_id: str, lever: Lever) -> Any:
    """One lever: a slider for a number, a choice for everything else."""
    options, name = list(lever.options), _key(customer_id, lever.column)
    st.session_state.setdefault(name, lever.now)
    if isinstance(lever.now, float):
        return st.select_slider(lever.title, options[::-1], key=name, help=lever.words,
                                format_func=lambda value: lever.options[value], persist_state="session")
    return st.segmented_control(lever.title, options, required=True, key=name, help=lever.words, wrap=True,
                                format_func=lambda value: escaped(lever.options[value]), persist_state="session")


def _set(customer_id: str, found: Levers, changes: Mapping[str, Any]) -> None:
    for lever in found.levers:
        st.session_state[_key(customer_id, lever.column)] = changes.get(lever.column, lever.now)


def _compared(place: Here, record: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """The figures as they are, or after the changes, and what follows from those."""
    if not changes:
        _figures(place, record, record)
        st.caption(AS_IT_IS)
        return
    with told():
        after: Outcome = answer(_outcome, place.scope, record["customer_id"], tuple(changes.items()), place.actor)
        _figures(place, record, after.figures)
        for line in after.mind:
            st.caption(f":material/info: {escaped(line)}")
        with st.popover("What follows from it", key="customer_follows", type="tertiary"):
            st.markdown("  \n".join(f"{escaped(title)}: {escaped(before)} :material/arrow_forward: {escaped(now)}"
                                    for title, before, now in after.follows))
            st.markdown("\n".join(f"- {escaped(reason)}" for reason in after.reasons))


def _figures(place: Here, record: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """The figures after a change, each with how far it moved."""
    p, then = record["churn_probability"], after["churn_probability"]
    with st.grid(3, min_column_width=150, row_height="content"):
        points = 100 * (then - p)
        _metric("Chance to leave", share(then), share(p), points, f"{points:+.1f} points", good=False)
        for title, name, good in (("Lifetime value", "expected_ltv", True),
                                  ("Margin at risk", "margin_at_risk", False)):
            change, sign = after[name] - record[name], "+" if after[name] >= record[name] else ""
            _metric(title, money(after[name], place.currency), money(record[name], place.currency), change,
                    sign + money(change, place.currency), good)
    if after is not record:
        before = f"before: {record['churn_risk'].capitalize()}, {record['segment']}"
        st.caption(escaped(f"{after['churn_risk'].capitalize()} risk, {after['segment']} ({before}). 90 % interval "
                           f"{share(after['churn_low'])} to {share(after['churn_high'])}. {insight.ASSOCIATION}"))


def _metric(title: str, value: str, before: str, change: float, words: str, good: bool) -> None:
    """One figure; `good` is whether more of it is."""
    if abs(change) <= SMALLEST_MOVE:
        st.metric(title, value, "as it is", delta_color="off", delta_arrow="off")
        return
    st.metric(title, value, words, delta_color="normal" if good else "inverse", delta_description=f"from {before}")


def _without(place: Here, record: Mapping[str, Any], found: Levers) -> None:
    """No levers: say so; where there are orders, what an order today would say."""
    with card("What if", found.none):
        if place.dataset.kind != "orders":
            return
        if not st.toggle("If the customer ordered today as last time", key=f"customer_today_{record['customer_id']}"):
            st.caption("The last order, and the visit that led to it, once more today: what would the model say then?")
            return
        with told():
            after = answer(_today, place.scope, record["customer_id"], place.actor)
            if after is None:
                return
            _figures(place, record, after.figures)
            st.caption(f"The chance is then the one of no further order within {record['horizon_days']} days.")
