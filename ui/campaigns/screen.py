"""Campaigns: one that is planned now, or one of those written down, from draft to measured result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine import campaigning
from engine.campaign import ledger
from engine.campaign.ledger import Campaign
from engine.campaign.tables import LAUNCHED
from engine.schema import money, money_range, plural, share
from ui.action_parts import worded
from ui.campaigns import drafting, outcome, planning, rules
from ui.campaigns.steps import steps
from ui.components import Kpi, card, empty, header, hint, kpis, told, unweighed
from ui.links import customer_column, named_in_address, not_there, open_clicked, set_by_hand
from ui.state import Here

NEW = "new"
CHOSEN = "campaign"
ROWS = 200


def screen(here: Here) -> None:
    """The campaign that is chosen, or the plan of a new one."""
    known = {one.id: one for one in ledger.campaigns(here.dataset.name)}
    if opened := st.session_state.pop(drafting.TO_OPEN, ""):
        st.session_state[CHOSEN] = opened
    top, bar = st.container(), st.container(horizontal=True)
    names = {name: _called(known.get(name)) for name in (NEW, *known)}
    named_in_address(CHOSEN, names.values())
    not_there(CHOSEN, "campaign", "Choose one of those there are, or plan a new one.")
    with bar:
        chosen = st.selectbox("Campaign", list(names), key=CHOSEN, bind="query-params", on_change=set_by_hand,
                              args=(CHOSEN,), format_func=names.__getitem__, label_visibility="collapsed")
        if here.may("rules"):
            rules.change(here)
    if chosen in known:
        one_campaign(here, known[chosen], top)
    else:
        new_campaign(here, top)


def _called(there: Campaign | None) -> str:
    return there.name if there else "Plan a new campaign"


def new_campaign(here: Here, top: Any) -> None:
    """Audience, limits, plan, draft."""
    if not here.dataset.worth_in_money:
        with top:
            unweighed(planning.TITLE, here)
        return
    asked = planning.ask(here)
    found = None
    with told():
        found = planning.planned(here, *asked) if asked else None
    with top:
        planning.head(here, found)
    if found is None or asked is None:
        return
    planning.figures(found, here)
    if found.total.customers:
        drafting.draft(here, found, asked[1])
        planning.by_treatment(found, here)
    planning.pictures(found, here)
    if found.total.customers:
        planning.preview(found, here)


def one_campaign(here: Here, there: Campaign, top: Any) -> None:
    """What it is, where it stands, who is in it; once it is launched, what leaves and what it brought."""
    told_of = campaigning.described(there.id, actor=here.actor)
    with top:
        header(f"Campaign: {there.name}", here, sentence(there, told_of))
        hint("campaign", "Each step is taken once and written down. The holdout is drawn already, and never contacted.")
    inside, outside = campaigning.members(there.id, actor=here.actor)
    treated = inside[~inside["holdout"].astype(bool)]
    kpis(top_row(there, told_of, float(treated["incremental_margin"].sum())))
    steps(here, there, inside, told_of["warnings"])
    if there.step(LAUNCHED):
        outcome.news()
        known = st.container()
        if there.status == LAUNCHED:
            _out_and_back(here, there, treated)
        outcome.result(here, there, known)
    members(inside, outside, there)


def _out_and_back(here: Here, there: Campaign, treated: Any) -> None:
    """What leaves the campaign, beside what comes back."""
    with st.grid(2, min_column_width=320):
        outcome.export(here, there, treated["channel"].value_counts().to_dict())
        if here.may("outcomes"):
            outcome.outcomes(here, there)


def sentence(there: Campaign, told_of: Mapping[str, Any]) -> str:
    """What it does, in one sentence.

    >>> from types import SimpleNamespace
    >>> sentence(SimpleNamespace(step=lambda _: None), {"treated": 1, "held_out": 1, "left_out": {"no consent": 1}})
    '1 customer is to get an offer, 1 is held out to measure it, 1 was left out by a rule.'
    """
    verb = "assigned an offer" if there.step(LAUNCHED) else "to get an offer"
    left_out = sum(told_of["left_out"].values())
    return (f"{plural(told_of['treated'], 'customer is', 'customers are')} {verb}, {told_of['held_out']:,} "
            f"{'is' if told_of['held_out'] == 1 else 'are'} held out to measure it"
            + (f", {left_out:,} {'was' if left_out == 1 else 'were'} left out by a rule." if left_out else "."))


def top_row(there: Campaign, told_of: Mapping[str, Any], promised: float) -> list[Kpi]:
    """The campaign in four figures."""
    planned, currency = (told_of["figures"] or {}).get("margin"), there.currency
    whole = f" With those held out it was {money(planned['value'], currency)}." if planned else ""
    return [
        Kpi("Treated", f"{told_of['treated']:,}", "Customers who get their offer."),
        Kpi("Held out", f"{told_of['held_out']:,}", "Drawn by chance, never contacted.",
            band=f"{share(there.holdout_share)} of each segment and treatment"),
        Kpi("Expected cost", money(there.spend, currency), "Of those treated: contacts, and offers times the chance "
            f"that they are taken{_booked(there)}.",
            band=f"budget {there.budget}" if there.budget else "no shared budget"),
        Kpi("Promised margin", money(promised, currency), "Incremental margin that is expected of those treated, with "
            f"the plan's 90 % interval.{whole}", band=_band(there, told_of)),
    ]


def _booked(there: Campaign) -> str:
    """That the cost counts those erased since, where there are any."""
    erased = plural(there.erased, "customer who has", "customers who have")
    return f"; as booked at the launch, with {erased} been erased since" if there.erased else ""


def _band(there: Campaign, told_of: Mapping[str, Any]) -> str:
    """The interval of what is promised, and of whom where that is not those who are treated now."""
    treated, plan = there.promised, (told_of["figures"] or {}).get("margin")
    if treated is None and plan is None:
        return ""
    low, high = (treated.low, treated.high) if treated else (plan["low"], plan["high"])  # type: ignore[index]
    ends = money_range(low, high, there.currency)
    if treated is None:
        return f"{ends} with those held out"
    return ends if treated.n == told_of["treated"] else f"{ends} for the {treated.n:,} of the draft"


def members(inside: Any, outside: Any, there: Campaign) -> None:
    """Who is in it with what is said, who is held out, who was left out and why."""
    treated, held = inside[~inside["holdout"].astype(bool)], inside[inside["holdout"].astype(bool)]
    groups = {f"To contact ({len(treated):,})": treated, f"Held out ({len(held):,})": held,
              f"Left out ({len(outside):,})": outside}
    with card("Who is in it"):
        view = st.segmented_control("Group", list(groups), default=next(iter(groups)), required=True,
                                    key="campaign_group", label_visibility="collapsed")
        found = groups.get(str(view), treated)
        if found.empty:
            empty("Nobody.", "No customer is in this group.")
            return
        _table(found, there.currency)


def _table(found: Any, currency: str) -> None:
    config, unit = st.column_config, f" [{currency}]" if currency else ""
    if "incremental_margin" in found:
        found = found.sort_values("incremental_margin", ascending=False)
    rows = found.head(ROWS)
    rows = rows.assign(**{name: rows[name].map(worded) for name in ("treatment", "channel") if name in rows})
    for name in ("churn_probability", "uplift"):
        if name in rows:
            rows[name] = 100 * rows[name].astype(float)
    shown = [name for name in ("customer_id", "segment", "treatment", "channel", "churn_probability", "uplift",
                               "expected_cost", "incremental_margin", "reason", "message")
             if name in rows and not rows[name].isna().all()]
    st.dataframe(rows[shown], hide_index=True, key="campaign_rows", alt="Customers of the campaign", column_config={
        "customer_id": customer_column("campaign_open"), "segment": "Segment", "treatment": "Treatment",
        "channel": "Channel", "reason": config.TextColumn("Why left out", width="large"),
        "message": config.TextColumn("Message", width="large"),
        "churn_probability": config.NumberColumn("Chance to leave", format="%.1f %%"),
        "uplift": config.NumberColumn("Lowered by", format="%.1f points"),
        "expected_cost": config.NumberColumn(f"Expected cost{unit}", format="%.2f"),
        "incremental_margin": config.NumberColumn(f"Incremental margin{unit}", format="%.2f")})
    open_clicked("campaign_open")
    if len(found) > ROWS:
        st.caption(f"The {ROWS} that are expected to bring most, of {len(found):,}." if "message" in found else
                   f"The first {ROWS} of {len(found):,}.")
