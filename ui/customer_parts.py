"""What Customer Lookup is made of: the search, who it is, what to mind, why, what to do, and what is around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

import engine
from engine import insight
from engine.campaign.contact_rules import WORDS
from engine.insight.off_limits import why_off_limits
from engine.insight.timeline import Timeline
from engine.schema import NO_REASONS, SCORES, cost, money, plural, share
from ui.charts import customer as charts
from ui.components import RISK_COLOURS, RISK_ICONS, Kpi, card, empty, escaped, kpis, show, told
from ui.links import customer_column, open_clicked
from ui.state import Here, answer, model_of, now

PARAMETER = "customer"
LAST, SEEN, SEARCH, DRAWS = "_customer_last", "_customer_seen", "customer_search", "_customer_draws"
LONGEST_ID, MOST_ECHOED = 200, 60
SEVERAL, EVEN = 2, 0.5
FIRST_REASONS = 6
MOST_ALIKE = 10


# ---- whom it is about


def chosen(place: Here) -> str:
    """The customer in the address, or the one that was open before another screen was visited."""
    dataset, last = st.session_state.get(LAST, (place.dataset.name, ""))
    asked = st.query_params.get(PARAMETER, "")[:LONGEST_ID]
    if dataset != place.dataset.name and asked == last:
        asked = ""
    if not asked and dataset == place.dataset.name:
        asked = last
    choose(place, asked)
    return asked


def choose(place: Here, customer_id: str) -> None:
    """Look at this customer from now on; at none when it is empty."""
    st.session_state[LAST] = (place.dataset.name, customer_id)
    if customer_id and st.query_params.get(PARAMETER) != customer_id:
        st.query_params[PARAMETER] = customer_id
    elif not customer_id and PARAMETER in st.query_params:
        del st.query_params[PARAMETER]


def _pick(place: Here, customer_id: str) -> None:
    st.session_state[SEARCH] = ""
    choose(place, customer_id)


@st.fragment
def find(place: Here) -> None:
    """Search as one types; what is found is a click away, and a whole id opens by itself."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = "Id, name or e-mail" if place.may("contact") else "Id"
        text = st.text_input("Find a customer", key=SEARCH, live=True, type="search", icon=":material/search:",
                             placeholder=by, width="stretch") or ""
        if st.button("Any customer", key="customer_any", icon=":material/shuffle:",
                     help="Somebody who is still there, drawn at random"):
            _anyone(place)
            st.rerun()
    text = text.strip()[:LONGEST_ID]
    if text and text.casefold() != st.query_params.get(PARAMETER, "").casefold():
        _results(place, text)


def _results(place: Here, text: str) -> None:
    found = answer(insight.search, place.scope, text, actor=place.actor)
    if found.empty:
        st.caption(f"Nobody is called {escaped(text[:MOST_ECHOED])}. Try a part of the id"
                   f"{', of the name or of the e-mail address' if place.may('contact') else ''}.")
        return
    with st.container(border=True, gap=None):
        for row in found.to_dict("records"):
            if row["customer_id"].casefold() == text.casefold() or _result(place, row):
                choose(place, row["customer_id"])
                st.rerun()


def _result(place: Here, row: Mapping[Any, Any]) -> bool:
    """One line of the results: id, name, and what is known of the customer."""
    known = [f"{share(row['churn_probability'])} chance to leave", f"LTV {money(row['expected_ltv'], place.currency)}",
             row["segment"]] if row["segment"] == row["segment"] and row["segment"] else ["not scored in this run"]
    words = " · ".join(escaped(part) for part in (row["name"], *known) if part)
    return st.button(f"**{escaped(row['customer_id'])}**  {words}", key=f"customer_found_{row['customer_id']}",
                     type="tertiary", on_click=_pick, args=(place, row["customer_id"]))


def _anyone(place: Here) -> None:
    draws = st.session_state[DRAWS] = st.session_state.get(DRAWS, 0) + 1
    with told():
        choose(place, insight.anyone(place.scope, int(now().timestamp()) + draws, actor=place.actor))


def start(place: Here) -> None:
    """Nobody is chosen: what to type, and three whom it would be worth looking at."""
    examples = answer(insight.examples, place.scope, actor=place.actor)
    if examples.empty:
        empty("Nobody to suggest.", "Everybody has left already or is held back. Type an id above.")
        return
    st.caption("Type a part of an id above, or begin with one of the three customers with the most margin at risk.")
    with st.grid(len(examples), min_column_width=230, row_height="content"):
        for row in examples.to_dict("records"):
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{escaped(row['customer_id'])}**")
                st.caption(escaped(f"{row['segment']} · {share(row['churn_probability'])} chance to leave · "
                                   f"{money(row['margin_at_risk'], place.currency)} of margin at risk"))
                st.button("Open", key=f"customer_open_{row['customer_id']}", on_click=_pick,
                          args=(place, row["customer_id"]), icon=":material/person_search:")


# ---- the record


def opened(place: Here, customer_id: str) -> dict[str, Any] | None:
    """The customer's card; the log is told once per session. None, with advice on the screen, if there is none."""
    seen: set[tuple[str, str]] = st.session_state.setdefault(SEEN, set())
    with told():
        record = answer(_predict, place.scope, customer_id, place.actor)
        if (place.scope.key, customer_id) not in seen:
            insight.opened(place.scope, customer_id, actor=place.actor, now=now())
            seen.add((place.scope.key, customer_id))
        return record
    return None


def _predict(scope: insight.Scope, customer_id: str, actor: engine.Actor) -> dict[str, Any]:
    """The card, computed now; `opened` tells the log."""
    by = model_of(scope.dataset.name, scope.run.model_id)
    return engine.predict(scope.dataset.name, customer_id, actor=actor, now=now(), run_id=scope.run.run_id, by=by,
                          again=True)


def sentence(record: Mapping[str, Any], currency: str) -> str:
    """What stands out: the chance with its interval, beside the threshold, and what is at stake."""
    above = record["churn_probability"] >= record["threshold"]
    side = f"{'above' if above else 'below'} the threshold of {share(record['threshold'])}"
    interval = f"90 % interval {share(record['churn_low'])} to {share(record['churn_high'])}"
    if record["has_left"]:
        return f"Customer {record['customer_id']} has left already; the figures are of the time before."
    return (f"{share(record['churn_probability'])} chance to leave within {record['horizon_days']} days ({interval}), "
            f"{side}; {money(record['margin_at_risk'], currency)} of margin at risk.")


# ---- who it is, and what to mind


def who(place: Here, record: Mapping[str, Any]) -> None:
    """Id, name where the role may see it, segment, risk and tier; and how to reach the customer."""
    reach = {}
    if place.may("contact"):
        reach = answer(insight.contact, place.scope, record["customer_id"], actor=place.actor)
    name = " ".join(reach[part] for part in ("first_name", "last_name") if part in reach)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(escaped(f"{name} · {record['customer_id']}" if name else record["customer_id"]), anchor=False,
                     width="content")
        st.badge(record["segment"], color="gray", help="Value and risk together (see Segment Analysis)")
        st.badge(f"{record['churn_risk'].capitalize()} risk", icon=RISK_ICONS[record["churn_risk"]],
                 color=RISK_COLOURS[record["churn_risk"]])
        st.badge(record["ltv_tier"], color="gray")
    ways = [f":material/{icon}: {escaped(reach[field])} ({'agreed' if reach.get(consent) else 'no consent'})"
            for field, consent, icon in (("email", "consent_email", "mail"), ("phone", "consent_phone", "call"))
            if field in reach]
    if ways:
        st.markdown(f":gray[{' · '.join(ways)}]")


def _barred(place: Here, record: Mapping[str, Any]) -> list[str]:
    """Why the customer must not be contacted now by the channel of the recommended step, a sentence each."""
    channel = record["options"][0]["channel"]
    return why_off_limits(place.scope, record["customer_id"], actor=place.actor, now=now(), channel=channel)


def mind(place: Here, record: Mapping[str, Any]) -> None:
    """Why this customer should not be judged, or judged with care; said before any figure."""
    if barred := why_off_limits(place.scope, record["customer_id"], actor=place.actor, now=now()):
        st.warning(f"Must not be contacted. {escaped(' '.join(barred))}", icon=":material/do_not_disturb_on:")
    if record["has_left"]:
        st.warning("This customer has left already. The figures are of the time before: win back, not retain.",
                   icon=":material/logout:")
    elif record["hold_back"]:
        st.warning(f"No action is advised. {escaped(record['hold_back'])}", icon=":material/pan_tool:")
    rare = answer(insight.unusual, place.scope, record["customer_id"], place.card.features, actor=place.actor)
    told_of = [*(f"{words}: no training customer had it" for words in record["unseen"]), *(one.words for one in rare)]
    if record["unseen"] or len(rare) >= SEVERAL:
        st.warning("Unusual values: the model has seen few such customers, so trust it less here. "
                   + escaped("; ".join(told_of) + "."), icon=":material/query_stats:")
    elif rare:
        st.caption(f":material/query_stats: {escaped(rare[0].words)}.")


def figures(place: Here, record: Mapping[str, Any]) -> None:
    """The top row: value, what is at stake, for how long, and when to be in touch."""
    stays = money(record["ltv_if_stays"], place.currency)
    kpis([
        Kpi("Lifetime value", money(record["expected_ltv"], place.currency), SCORES["expected_ltv"].meaning,
            band=f"{stays} if the customer stays"),
        Kpi("Margin at risk", money(record["margin_at_risk"], place.currency), SCORES["margin_at_risk"].meaning,
            band=f"{share(record['churn_probability'])} of {stays}"),
        Kpi("Expected to stay", plural(round(record["expected_months"]), "month"), SCORES["expected_months"].meaning,
            band=f"within {round(place.card.settings['money']['horizon_days'] / 30.4375)} months"
            if "money" in place.card.settings else ""),
        _contact_kpi(record, _barred(place, record)),
    ])


def _contact_kpi(record: Mapping[str, Any], barred: Sequence[str]) -> Kpi:
    if barred and not record["has_left"]:
        return Kpi("Be in touch", "Not now", " ".join(barred), band="must not be contacted")
    if record["has_left"] or record["hold_back"]:
        return Kpi("Be in touch", "Win back" if record["has_left"] else "Not yet", record["hold_back"] or
                   "The customer has left already.", band="has left" if record["has_left"] else "held back")
    if record["ahead"]["kind"] == "order":
        due = f"{datetime.fromisoformat(record['next_order_at']):%d %b %Y}"
        return Kpi("Next order due", due if record["p_alive"] >= EVEN else "In doubt", record["ahead"]["words"],
                   band=f"{share(record['p_alive'])} still buys at all")
    peak = record["ahead"]["peak"]
    value = "Now" if peak == 1 else f"Before month {peak}" if peak else "Any time"
    return Kpi("Be in touch", value, record["ahead"]["words"], band="the likeliest month to leave" if peak else
               "no month stands out")


# ---- why


def why(record: Mapping[str, Any], place: Here) -> None:
    """The waterfall, and the strongest reasons in words beside it; none of a model that knows nothing."""
    if not record["usable"]:
        empty("There are no reasons.", NO_REASONS)
        return
    left, right = st.columns([3, 2])
    with left:
        show(charts.waterfall(record, place.look), "customer_waterfall")
    with right, card("In words", "The strongest reasons, each with how many such customers left."):
        for step in record["way"]["steps"][:FIRST_REASONS]:
            icon = ":red[:material/arrow_upward:]" if step["contribution"] > 0 else ":green[:material/arrow_downward:]"
            st.markdown(f"{icon} {escaped(step['words'])}")
        st.caption("What the model has learned from other customers: associations, not causes.")


def steps(record: Mapping[str, Any], place: Here) -> None:
    """The recommended step with its cost; all others, those of the plan first, and why not."""
    first, *others = record["options"]
    held = record["hold_back"] and not record["has_left"]
    with card("Recommended step", "The first of the playbook that fits; its costs are assumptions. A plan weighs every "
              "offer and may choose another."):
        barred = [] if held else _barred(place, record)
        st.markdown(":material/pan_tool: **Leave alone for now.**" if held or barred else
                    f":material/task_alt: **{escaped(first['words'])}**")
        st.caption(escaped(record["hold_back"] if held else f"{barred[0]} After that: {first['words']}" if barred else
                           _cost(first, place.currency)))
        if first["agreed"] is False and not (held or barred):
            st.caption(f":material/block: {_not_agreed(first)}: choose another, or reach the customer in another way.")
        with st.popover("The other steps, and why not", key="customer_other_steps", type="tertiary"):
            for step in others:
                no = f" {_not_agreed(step)}." if step["agreed"] is False else ""
                st.markdown(f"{escaped(step['words'])}  \n:gray[{escaped(step['why'])} "
                            f"{escaped(_cost(step, place.currency))}{no}]")


def _not_agreed(step: Mapping[str, Any]) -> str:
    return f"No consent to {WORDS[step['channel']]} is known"


def _cost(step: Mapping[str, Any], currency: str) -> str:
    if step["channel"] == "none":
        return "No contact, no cost."
    return f"By {WORDS.get(step['channel'], step['channel'])}, {cost(step['contact_cost'], currency)} per contact."


# ---- around the customer


def beside(place: Here, record: Mapping[str, Any]) -> None:
    """The radar, where the run knows enough numbers."""
    found = answer(insight.radar, place.scope, record["customer_id"], actor=place.actor)
    if found.empty:
        with card("Beside the segment"):
            st.caption("Too few numbers are known of this customer to compare.")
        return
    show(charts.radar(found, record["segment"], place.look), "customer_radar")


def happened(place: Here, customer_id: str) -> None:
    """The timeline, where the company keeps events."""
    found: Timeline | None = answer(insight.timeline_of, place.scope, customer_id, actor=place.actor)
    if found is None:
        return
    if not found.events:
        empty("Nothing happened yet.", "There are no events of this customer before the run's moment.")
        return
    left, right = st.columns([3, 2])
    with left:
        show(charts.timeline(found.months, place.look), "customer_timeline")
    with right, card("The latest", f"Of {plural(found.events, 'event')} in all."):
        st.markdown("  \n".join(f":gray[{row['at']:%d %b %Y}]  {escaped(row['words'])}"
                                for row in found.latest.to_dict("records")))


def alike(place: Here, customer_id: str) -> None:
    """The nearest other customers, and what became of them."""
    found = answer(insight.similar, place.scope, customer_id, place.card.features, MOST_ALIKE, actor=place.actor)
    if found.empty:
        return
    knows_leavers = place.dataset.label.kind in ("column", "threshold")
    gone = f"{int((found['has_left'] == 1).sum())} of them have left. " if knows_leavers else ""
    shown = found.assign(churn_probability=100 * found["churn_probability"],
                         has_left=found["has_left"].map({1: "left"}).fillna("still here"))
    key = f"customer_alike_{place.scope.key}_{customer_id}"
    with card("Similar customers", f"The {len(found)} nearest by what the model uses. {gone}Click an id to open it."):
        st.dataframe(
            shown if knows_leavers else shown.drop(columns="has_left"), hide_index=True, key=key, height="content",
            alt="Similar customers and what became of them", column_config=_alike_heads(place.currency, f"{key}_open"))
        open_clicked(f"{key}_open")


def _alike_heads(currency: str, key: str) -> dict[str, Any]:
    heads = st.column_config
    return {
        "customer_id": customer_column(key), "segment": heads.TextColumn("Segment"),
        "distance": heads.NumberColumn("Distance", format="%.2f", help="0 is the same in everything; two customers "
                                       "drawn at random are about 1.4 apart."),
        "churn_probability": heads.ProgressColumn("Chance to leave", format="%.1f %%", min_value=0, max_value=100),
        "expected_ltv": heads.NumberColumn(f"LTV [{currency}]" if currency else "LTV", format="%.0f",
                                           help=SCORES["expected_ltv"].meaning),
        "has_left": heads.TextColumn("What became of it"),
    }


def everything(record: Mapping[str, Any]) -> None:
    """All that the model uses of this customer, sent only when asked for."""
    with st.expander("Everything that the model uses", key="customer_everything", on_change="rerun") as opened_now:
        if opened_now.open:
            st.dataframe(record["way"]["features"], hide_index=True, key="customer_features",
                         alt="Every feature, the customer's value and its contribution", column_config={
                             "title": "Feature", "value": "This customer", "meaning": "Meaning",
                             "contribution": st.column_config.NumberColumn("Contribution [log-odds]", format="%+.3f")})
