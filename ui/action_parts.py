"""What the Action Center is made of: whom it is about, today's calls, the list as a table, what leaves the building."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from engine import insight
from engine.campaign.export import EXPORTERS
from engine.decision.playbooks import LEAVE_ALONE, WIN_BACK
from engine.errors import EngineError
from engine.files import short_hash
from engine.insight import Export, Filters, Listing, audiences, worklist
from engine.insight.off_limits import OffLimits
from engine.insight.planned import CONTACT_LIST, STANDINGS, WORKLIST
from engine.insight.source import OPEN
from engine.insight.worklist import Tally
from engine.schema import LTV_TIERS, RISK_BANDS, cost, money, plural, share
from ui import tables as figures
from ui.components import RISK_COLOURS, RISK_ICONS, card, escaped
from ui.links import named_in_address, not_there, set_by_hand
from ui.navigation import BY_URL
from ui.state import Here, answer, now

EVERYONE, AUDIENCE = "Everyone", "actions_audience"
CALLS = "calls"
VIEWS = {CALLS: "Call today", **STANDINGS}
PICKS, EXPORT, SHOWN = "_actions_picks", "_actions_export", "_actions_contacts"
FORMATS = {"csv": "CSV", "xlsx": "Excel"}
ORDER_WORDS = {"margin_at_risk": "Margin at risk", "churn_probability": "Chance to leave",
               "expected_ltv": "Expected LTV", "best_contact_month": "Best contact month",
               "next_order_at": "Next order"}
SAID = {
    CALLS: "The first ten whose step is a call, and who agreed to be called.",
    CONTACT_LIST: "There is something to do, and the customer is still here.",
    WIN_BACK: "Left already, or silent for so long that one message is all that pays.",
    LEAVE_ALONE: "Contact would cost more than it saves, or a rule holds it back.",
}
STEP_HEADS = {"step": "Step", "channel": "Channel", "customers": "Customers", "refused": "No consent",
              "risk": "Margin at risk", "cost": "Contact cost"}
RULE_HEADS = {"rule": "Rule", "customers": "Customers", "risk": "Margin at risk"}
AGREED = {1: "Yes", 0: "No"}
CHANNEL_WORDS = {"email": "E-mail", "sms": "SMS"}


def worded(name: str) -> str:
    """A step's or a channel's name as a person reads it.

    >>> worded("contract_migration"), worded("sms")
    ('Contract migration', 'SMS')
    """
    return CHANNEL_WORDS.get(name) or name.replace("_", " ").capitalize()


def _another() -> None:
    first_page()
    set_by_hand(AUDIENCE)


def first_page() -> None:
    """A list that has changed is read from its beginning."""
    st.session_state["actions_page"] = 1


# ---- whom it is about


def sentence(found: Tally, listing: Listing, currency: str) -> str:
    """What stands out on the list looked at: how many there are, what is at stake, whom the rules keep away from."""
    total, held = found.total(listing), found.held_back(listing)
    if listing.standing != CONTACT_LIST:
        return _apart(total, held, listing.standing, currency)
    verb, in_money = "call" if listing.channels == (worklist.CALL,) else "contact", not currency.islower()
    if not total.customers:
        return f"With these filters there is nobody to {verb}."
    said = (f"{plural(total.customers, 'customer')} to {verb} with {money(total.margin_at_risk, currency)} margin at "
            f"risk; to {verb} all of them costs {cost(total.contact_cost, currency)}"
            f"{', more than is at risk' if total.contact_cost > total.margin_at_risk and in_money else ''}.")
    return said + (f" {plural(held.customers, 'more is', 'more are')} held back for now, with "
                   f"{money(held.margin_at_risk, currency)} at risk." if held.customers else "")


def _apart(total: worklist.Sum, held: worklist.Sum, standing: str, currency: str) -> str:
    """The same of the lists of those who are not contacted to keep them.

    >>> _apart(worklist.Sum("", 182, 0.0, 18.2), worklist.Sum("", 5, 40.0, 0.0), WIN_BACK, "EUR")
    '182 customers to win back; to contact all of them costs €18.20.'
    >>> _apart(worklist.Sum("", 7, 90.0, 0.0), worklist.Sum("", 5, 40.0, 0.0), LEAVE_ALONE, "EUR")
    '7 customers are left alone, with €90.00 margin at risk; 5 of them are held back for now.'
    """
    if standing == WIN_BACK:
        return (f"{plural(total.customers, 'customer')} to win back; to contact all of them costs "
                f"{cost(total.contact_cost, currency)}." if total.customers else
                "With these filters there is nobody to win back.")
    if not total.customers:
        return "With these filters nobody is left alone."
    are = "is" if total.customers == 1 else "are"
    by_rule = f"; {held.customers:,} of them {'is' if held.customers == 1 else 'are'} held back for now"
    return (f"{plural(total.customers, 'customer')} {are} left alone, with {money(total.margin_at_risk, currency)} "
            f"margin at risk{by_rule if held.customers else ''}.")


def audience(here: Here, barred: OffLimits) -> Filters:
    """Everyone who may be on a list, or an audience that somebody has saved: the one in the address."""
    names = audiences.audiences(here.dataset.name, here.actor)
    named_in_address(AUDIENCE, [EVERYONE, *names])
    chosen = st.selectbox("Audience", [EVERYONE, *names], key=AUDIENCE, bind="query-params", on_change=_another,
                          label_visibility="collapsed")
    not_there(AUDIENCE, "audience", "Everyone stands here instead.")
    if barred.held:
        st.caption(f"{plural(len(barred.held), 'customer')} held out by a running campaign: on no list until it ends.")
    if peace := {*barred.treated, *barred.resting}:
        st.caption(f"{plural(len(peace), 'customer')} treated by a running campaign or resting after a contact: on no "
                   "list meanwhile.")
    if chosen == EVERYONE:
        st.caption("All scored customers. Segment Analysis saves a selection as an audience; it then opens here.")
        return barred.filters
    st.caption("The customers whom the saved filter lets through, as they are scored in this run.")
    return audiences.audience(here.dataset.name, chosen, here.actor).within(barred.filters)


def narrowed(filters: Filters, currency: str) -> Filters:
    """The audience, narrowed by risk band, value tier and least margin at risk."""
    bands = st.multiselect("Risk", RISK_BANDS, format_func=str.capitalize, key="actions_risk", bind="query-params",
                           placeholder="Any", on_change=first_page, wrap=False)
    tiers = st.multiselect("Value", LTV_TIERS, key="actions_tier", bind="query-params", placeholder="Any",
                           on_change=first_page, wrap=False)
    least = st.number_input(f"Least margin at risk [{currency or 'money'}]", min_value=0, step=10, key="actions_least",
                            bind="query-params", on_change=first_page)
    values = {"churn_risk": tuple(bands), "ltv_tier": tuple(tiers)}
    return filters.within(Filters(values, {"margin_at_risk": (least, OPEN)} if least else {}))


def means(found: Tally, listing: Listing) -> Listing:
    """The list, narrowed by recommended step and, unless it is of calls, by channel."""
    offered = found.steps(listing)
    steps = st.multiselect("Step", [one.name for one in offered], format_func=worded, key="actions_step",
                           bind="query-params", placeholder="Any", on_change=first_page, wrap=False)
    channels = st.multiselect("Channel", list(dict.fromkeys(found.treatments[one.name].channel for one in offered)),
                              format_func=worded, key="actions_channel", bind="query-params", placeholder="Any",
                              on_change=first_page, wrap=False)
    return replace(listing, steps=tuple(steps), channels=listing.channels or tuple(channels))


def view() -> str:
    """Which list: today's calls, or one of STANDINGS."""
    chosen = st.segmented_control("List", list(VIEWS), default=CONTACT_LIST, required=True, key="actions_list",
                                  format_func=lambda name: VIEWS[name], label_visibility="collapsed",
                                  bind="query-params", on_change=first_page)
    st.caption(SAID[chosen])
    return chosen


def listed(filters: Filters, chosen: str) -> Listing:
    """The list as it is before steps, channels and segments narrow it."""
    if chosen == CALLS:
        return worklist.to_call(Listing(filters))
    return Listing(filters, chosen)


def ordered(found: Tally, listing: Listing) -> Listing:
    """The list in the order chosen, and of those alone who have agreed to be reached if that is asked."""
    order = st.selectbox("Order", found.orders(), format_func=lambda name: f"By {ORDER_WORDS[name].lower()}",
                         key="actions_order", bind="query-params", on_change=first_page, label_visibility="collapsed")
    agreed = listing.agreed or st.toggle(
        "Only those who agreed to be reached that way", key="actions_agreed", bind="query-params", on_change=first_page,
        help="Consent to the channel of the step. Where the data hold no consents, everyone stays.")
    return replace(listing, order=order, agreed=agreed)


def refused(whole: worklist.Sum) -> str:
    """How many have not agreed; no 0 where the data do not say it.

    >>> refused(worklist.Sum("", 5, 0.0, 0.0, refused=2)), refused(worklist.Sum("", 5, 0.0, 0.0, unsaid=5))
    ('2', 'Not known')
    """
    return "Not known" if whole.unsaid and not whole.refused else f"{whole.refused:,}"


def unsaid(whole: worklist.Sum) -> str:
    """That the data do not say who agreed, in a sentence; "" where they do."""
    if not whole.unsaid:
        return ""
    whom = "" if whole.unsaid == whole.customers else f" by the step of {whole.unsaid:,} of them"
    return (f"These data do not say who agreed to be contacted{whom}; take along only those who you know have. A "
            "column of consent is recognised under Data, and nobody is in a campaign by e-mail, SMS or telephone "
            "without it.")


def segments(found: Tally, listing: Listing, currency: str) -> Listing:
    """The list by segment, with customers and margin at risk, narrowed to the one chosen."""
    there = [found.total(listing), *found.segments(listing)]
    captions = [escaped(f"{one.customers:,} · {money(one.margin_at_risk, currency)}") for one in there]
    chosen = st.radio("Segment", [EVERYONE, *(one.name for one in there[1:])], captions=captions, horizontal=True,
                      key="actions_segment", bind="query-params", on_change=first_page, label_visibility="collapsed")
    return replace(listing, segments=() if chosen in (None, EVERYONE) else (chosen,))


def contacts(here: Here, ids: Sequence[str]) -> Any:
    """The contact fields of these customers; asked for, and so recorded, once for what is on the screen."""
    shown = (here.scope.key, tuple(ids))
    if st.session_state.get(SHOWN, (None,))[0] != shown:
        st.session_state[SHOWN] = shown, worklist.contacts(here.scope, ids, actor=here.actor, now=now())
    return st.session_state[SHOWN][1]


# ---- today's calls


def calls(found: Any, known: Any, here: Here) -> None:
    """The customers to call, one below the other: who, why, what to do."""
    for number, row in enumerate(found.to_dict("records"), start=1):
        with st.container(border=True, key=f"actions_call_{number}"):
            who, why, what, link = st.columns([1.2, 2, 1.6, 0.4], gap="medium", vertical_alignment="center")
            who.markdown(_who(number, row, known.loc[row["customer_id"]].dropna().to_dict()))
            why.markdown(_why(row))
            what.markdown(_what(row, here.currency))
            link.page_link(BY_URL["customer"].path, label="Open", icon="", help="Open in Customer Lookup",
                           query_params={"customer": row["customer_id"]})


def _who(number: int, row: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    name = " ".join(str(known[part]) for part in ("first_name", "last_name") if part in known)
    beside = " · ".join([*([row["customer_id"]] if name else []), row["segment"]])
    lines = [f"**{number} · {escaped(name or row['customer_id'])}**", escaped(str(known.get("phone", ""))),
             f":gray[{escaped(beside)}]"]
    return "  \n".join(line for line in lines if line)


def _why(row: Mapping[str, Any]) -> str:
    band = row["churn_risk"]
    lines = [f":{RISK_COLOURS[band]}[{RISK_ICONS[band]} **{share(row['churn_probability'])}** chance to leave] "
             ":gray[" + escaped(f"(90 % interval {share(row['churn_low'])} to {share(row['churn_high'])})") + "]",
             escaped(row["reason"] or "")]
    return "  \n".join([*lines, *([f"**{escaped(row['lately'])}.**"] if row["lately"] else [])])


def _what(row: Mapping[str, Any], currency: str) -> str:
    stake, spent = escaped(money(row["margin_at_risk"], currency)), escaped(cost(row["contact_cost"], currency))
    return f"{escaped(row['step_words'])}  \n**{stake}** margin at risk :gray[· the call costs {spent}]"


# ---- the list


def contact_switch(here: Here) -> bool:
    """Whether contact details are shown."""
    return st.toggle("Show contact details", key="actions_contact", help="Who looked at whom is recorded.",
                     disabled=not (here.may("contact") and worklist.contact_columns(here.scope)))


def pages(total: int, most: int) -> int:
    """The page of the list that is looked at, counted from 1."""
    return st.pagination(max(1, -(-total // most)), key="actions_page", bind="query-params", max_visible_pages=5)


def ticked(stamp: object) -> dict[int, tuple[str, ...]]:
    """What is ticked, by page of the list, as customer ids; another list begins with nothing."""
    if st.session_state.get(PICKS, (None,))[0] != stamp:
        st.session_state[PICKS] = stamp, {}
    kept: dict[int, tuple[str, ...]] = st.session_state[PICKS][1]
    return kept


def table(found: Any, known: Any, here: Here, listing: Listing, page: int) -> tuple[str, ...]:
    """A page of the list; returns the ids that are ticked on all its pages. A click on an id opens the customer."""
    stamp = (here.scope.key, listing)
    kept = ticked(stamp)
    kept[page] = _rows(found, known, here, listing, f"actions_table_{short_hash(*stamp)}_{page}", kept.get(page, ()))
    _open()
    return tuple(one for number in sorted(kept) for one in kept[number])


def _rows(found: Any, known: Any, here: Here, listing: Listing, key: str, picked: Sequence[str]) -> tuple[str, ...]:
    rows = found.assign(churn_probability=(100 * found["churn_probability"]).where(found["has_left"] != 1),
                        next_step=found["next_step"].map(worded), channel=found["channel"].map(worded),
                        agreed=found["agreed"].map(AGREED).fillna("Not known"),
                        hold_back=found["hold_back"].where(found["hold_back"] != "", found["step_words"]))
    rows = rows.round({"margin_at_risk": 2, "ltv_if_stays": 2})
    if known is not None:
        rows = rows.join(known, on="customer_id")
    shown = [name for name in _shown(listing, known) if not (rows[name].isna() | (rows[name] == "")).all()]
    default: Any = {"selection": {"rows": [place for place, one in enumerate(found["customer_id"]) if one in picked]}}
    event = st.dataframe(rows[shown], hide_index=True, height="content", key=key, on_select="rerun",
                         selection_mode="multi-row", selection_default=default, placeholder="",
                         column_config=_heads(here.currency), alt="The customers on the list, in its order")
    return tuple(found["customer_id"].iloc[event["selection"]["rows"]])


def _open() -> None:
    """Go to the customer whose id has been clicked."""
    clicked = st.session_state.get("actions_open")
    if clicked:
        st.switch_page(BY_URL["customer"].path, query_params={"customer": clicked["label"]})


def _shown(listing: Listing, known: Any) -> list[str]:
    """The columns of the table: who, how much, what, why."""
    contact = [] if known is None else [name for name in ("first_name", "last_name", "phone", "email") if name in known]
    worth = "margin_at_risk" if listing.standing != WIN_BACK else "ltv_if_stays"
    means = ["next_step", "channel", "agreed"]
    told = {CONTACT_LIST: [*means, "reason", "lately"], WIN_BACK: [*means, "reason"]}
    return ["customer_id", *contact, "churn_probability", worth, *told.get(listing.standing, ["hold_back", "reason"]),
            "best_contact_month", "next_order_at", "segment"]


def _heads(currency: str) -> dict[str, Any]:
    """How each column of the table is headed, explained and written."""
    config, unit = st.column_config, f" [{currency}]" if currency else ""
    says = {column.name: column.meaning for column in WORKLIST}
    return {
        "customer_id": config.ButtonColumn("Customer", type="tertiary", alignment="left", key="actions_open",
                                           help="A click opens Customer Lookup", pinned=True),
        "first_name": config.TextColumn("First name"), "last_name": config.TextColumn("Last name"),
        "phone": config.TextColumn("Phone"), "email": config.TextColumn("E-mail"),
        "segment": config.TextColumn("Segment", help=says["segment"]),
        "churn_probability": config.ProgressColumn("Chance to leave", format="%.1f %%", min_value=0, max_value=100,
                                                   help=says["churn_probability"]),
        "margin_at_risk": config.NumberColumn(f"Margin at risk{unit}", format="accounting",
                                              help=says["margin_at_risk"]),
        "ltv_if_stays": config.NumberColumn(f"Worth if here{unit}", format="accounting",
                                            help=says["ltv_if_stays"]),
        "next_step": config.TextColumn("Step", help=says["next_step"]),
        "channel": config.TextColumn("Channel", help=says["channel"]),
        "agreed": config.TextColumn("May be contacted", help=says["agreed"]),
        "hold_back": config.TextColumn("Why left alone", width="large", help=says["hold_back"]),
        "reason": config.TextColumn("Strongest reason", width="large"),
        "lately": config.TextColumn("Lately", width="medium"),
        "best_contact_month": config.NumberColumn("Best contact month", format="%d", help=says["best_contact_month"]),
        "next_order_at": config.DateColumn("Next order", format="D MMM YYYY", help=says["next_order_at"]),
    }


def by_step(found: Tally, listing: Listing, currency: str) -> None:
    """The list by recommended step."""
    if listing.standing != LEAVE_ALONE and (steps := found.steps(listing)):
        with card("What the list takes, step by step"):
            figures.table([{"step": one.words, "channel": worded(found.treatments[one.name].channel),
                            "customers": f"{one.customers:,}", "refused": refused(one),
                            "risk": money(one.margin_at_risk, currency), "cost": cost(one.contact_cost, currency)}
                           for one in steps], STEP_HEADS, "actions_steps", "The list by recommended step", words=2)


def by_rule(found: Tally, listing: Listing, currency: str) -> None:
    """Whom a rule holds back, and what that rule costs in margin at risk."""
    if listing.standing == LEAVE_ALONE and (rules := found.by_rule(listing)):
        with card("Held back by a rule, and the margin at risk that it leaves alone"):
            figures.table([{"rule": one.name, "customers": f"{one.customers:,}",
                            "risk": money(one.margin_at_risk, currency)} for one in rules], RULE_HEADS,
                          "actions_rules", "Customers held back, by rule")


# ---- what leaves the building


def export(here: Here, found: Tally, listing: Listing, picked: tuple[str, ...], chosen: str) -> None:
    """Choose the form, prepare the file once, take it away."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control("File", list(EXPORTERS), default="csv", required=True, key="actions_format",
                                    format_func=lambda name: FORMATS[name], label_visibility="collapsed")
        which = "Only these" if chosen == CALLS else "Only ticked rows"
        only = picked if st.toggle(which, True, key="actions_only", disabled=not picked) else ()
        contact = st.toggle("With contact details", True, key="actions_with_contact",
                            disabled=not worklist.contact_columns(here.scope))
    whole = _picked(here, listing, only) if only else found.total(listing)
    listing, rows = _asked(listing, whole)
    st.caption(_leaving(here, rows, contact))
    asked = (here.scope.key, listing, only, kind, contact)
    made = st.session_state.get(EXPORT)
    if made is None or made[0] != asked:
        st.session_state.pop(EXPORT, None)
        if st.button("Prepare export", key="actions_prepare", icon=":material/inventory_2:", type="primary",
                     disabled=rows == 0, width="stretch"):
            _prepare(here, listing, only, kind, contact, asked)
        return
    download(made[1])


def _picked(here: Here, listing: Listing, only: tuple[str, ...]) -> worklist.Sum:
    """Those of the list who are ticked."""
    among = replace(listing, filters=listing.filters.within(Filters(ids=only)))
    return answer(worklist.tally, here.scope, among.filters, here.actor).total(among)


def _asked(listing: Listing, whole: worklist.Sum) -> tuple[Listing, int]:
    """Without whoever has not agreed to be reached, unless it is asked for; and how many that leaves."""
    if listing.agreed or not whole.refused:
        return listing, whole.customers
    too = st.toggle(f"Also the {whole.refused:,} who have not agreed", key="actions_refused",
                    help="They have not agreed to the channel of their step: take them along only to reach them in "
                         "another way. Their column agreed is 0.")
    if too:
        return listing, whole.customers
    st.caption(f":material/do_not_disturb_on: {plural(whole.refused, 'customer')} of {whole.customers:,} left out: no "
               "consent to the channel of their step.")
    return replace(listing, agreed=True), whole.customers - whole.refused


def _leaving(here: Here, rows: int, contact: bool) -> str:
    held = [column for column in worklist.contact_columns(here.scope) if contact]
    fields = [*(column.title.lower() for column in held if column.kind != "flag"),
              *(["consents"] if any(column.kind == "flag" for column in held) else [])]
    along = f"with {', '.join(fields)}" if fields else "without names, addresses or numbers"
    return escaped(f"{plural(rows, 'customer')} leave the building, {along}. The audit log keeps who took what.")


def _prepare(here: Here, listing: Listing, only: tuple[str, ...], kind: str, contact: bool, asked: Any) -> None:
    """Write the file and remember it; what stands in the way is said here."""
    try:
        with st.spinner("Writing the file"):
            made = insight.export_list(here.scope, listing, kind, actor=here.actor, now=now(), ids=only,
                                       contact=contact)
    except EngineError as problem:
        st.error(escaped(str(problem)), icon=":material/error:")
    else:
        st.session_state[EXPORT] = asked, made
        st.rerun()


def download(made: Export) -> None:
    """The file, ready to be taken."""
    size = f"{len(made.content) / 1e6:.1f} MB" if len(made.content) >= 1e6 else f"{len(made.content) / 1e3:.0f} kB"
    st.download_button(f"Download {plural(made.rows, 'row')}, {size}", made.content, made.name, made.mime,
                       key="actions_download", on_click="ignore", icon=":material/download:", type="primary",
                       width="stretch")
