"""A new campaign: whom it is about, what it must keep to, and the plan that brings most within that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine import planning
from engine.campaign import ledger
from engine.campaign.rules import rules
from engine.campaign.writers import previews
from engine.decision.constraints import Constraints, more
from engine.decision.plan import Plan, Price
from engine.evidence import trials
from engine.insight import Filters, overview
from engine.insight.learned import UNTAUGHT
from engine.schema import NOTHING_DONE, money, money_range, plural, share
from ui.action_parts import worded
from ui.campaigns.limits import limits
from ui.charts import plans as charts
from ui.components import Kpi, card, empty, escaped, header, hint, kpis, show
from ui.filters import filter_row
from ui.links import customer_column, open_clicked
from ui.state import Here, answer, now
from ui.tables import table

ASKED = "_plan_asked"
TITLE = "What is worth doing, for whom?"
ROWS = 50
PLAN = "This plan"
RIVALS = {"top risk": "Highest risk first", "risk x LTV": "Most margin at risk first"}
MOST_PRICES = 4
NEARLY = 0.9
HEADS = {"treatment": "Treatment", "channel": "Channel", "customers": "Customers", "saves": "Expected saves",
         "cost": "Cost", "margin": "Incremental margin", "roi": "ROI"}


@st.cache_resource(max_entries=4, ttl="1h", show_spinner="Planning")
def _made(key: tuple[Any, ...], _here: Here, _constraints: Constraints, _filters: Filters) -> Plan:  # noqa: ARG001
    """A plan is large, the same for the same question, and never changed: kept once for all sessions."""
    return planning.plan(_here.scope, _constraints, _filters, actor=_here.actor, now=now())


def planned(here: Here, constraints: Constraints, filters: Filters) -> Plan:
    """The plan for this question, by the playbook in use and what the ledger knows of past contact."""
    name = here.dataset.name
    seen = (trials.version(name), ledger.contacts_version(name), repr(rules(name, actor=here.actor)))
    key = (name, here.scope.key, repr(constraints), repr(filters), here.actor, seen)
    return _made(key, here, constraints, filters)


def asked(here: Here) -> tuple[Constraints, Filters] | None:
    """What has been asked of this run; None before anything has been."""
    found = st.session_state.get(ASKED)
    return found[1] if found and found[0] == here.scope.key else None


def ask(here: Here) -> tuple[Constraints, Filters] | None:
    """Audience and limits; returns what the last press of the button asked for."""
    book = here.scope.book
    with card("1 · Audience", "Whom the plan may choose among. A filter can be saved as an audience in Segment "
              "Analysis."):
        filters = filter_row("plan", here)
    with card("2 · Limits", "What it may spend, and what channels and people can carry. Untouched, the playbook's "
              "numbers hold."):
        constraints = limits(here, book)
    if st.button("Make the plan", key="plan_make", type="primary", icon=":material/calculate:"):
        st.session_state[ASKED] = here.scope.key, (constraints, filters)
    return asked(here)


def sentence(found: Plan, currency: str) -> str:
    """What the plan does, in one sentence."""
    total = found.total
    if not total.customers:
        return ("Within these limits and the contact rules no offer is worth making to anybody: the best plan is to "
                "leave everyone alone.")
    return (f"Contact {plural(total.customers, 'customer')} for {money(total.spend, currency)}: "
            f"{total.saves:,.1f} more are expected to stay, which brings {money(total.margin.value, currency)} beyond "
            f"its cost (90 % interval {money_range(total.margin.low, total.margin.high, currency)}).")


def top_row(found: Plan, currency: str) -> list[Kpi]:
    """The plan in four figures."""
    total = found.total
    margin = total.margin
    roi = "–" if total.roi is None else f"{100 * total.roi:,.0f} %"
    return [
        Kpi("To contact", f"{total.customers:,}", "Customers who get an offer; everybody else is left alone.",
            band=f"{plural(round(total.minutes / 60), 'hour')} of people's time" if total.minutes
            else "no person's time"),
        Kpi("Expected cost", money(total.spend, currency), "Contacts, and offers times the chance that they are taken, "
            "also by those who would have stayed anyway.",
            band=f"{money(total.wasted, currency)} to those staying anyway"),
        Kpi("Incremental margin", money(margin.value, currency), f"Uplift x lifetime value - cost. {margin.method}.",
            band=f"90 % interval {money_range(margin.low, margin.high, currency)}"),
        Kpi("ROI", roi, "Incremental margin / expected cost; nothing else is ROI.",
            band=f"{total.saves:,.1f} expected saves"),
    ]


def pictures(found: Plan, here: Here) -> None:
    """The plan beside other rules, and what its limits and guardrails cost."""
    left, right = st.columns([3, 2])
    with left:
        margins = {PLAN: found.total.margin, **{RIVALS.get(name, name): one.margin
                                                for name, one in found.rivals.items()}}
        customers = {PLAN: found.total.customers, **{RIVALS.get(name, name): one.customers
                                                     for name, one in found.rivals.items()}}
        show(charts.ways(margins, customers, here.currency, here.look), "plan_ways")
    with right:
        with card("What would bring more", "What some more of a limit would bring, as long as little changes."):
            _bullets([_more(price, here.currency) for price in found.prices if price.brings > 0][:MOST_PRICES],
                     "No limit binds: nothing more would be spent if there were more.")
        with card("What guardrails cost", "Margin that each forbids, by planning again without it."):
            _bullets([f"{cost.title}: {money(cost.margin, here.currency)} of margin; it forbids "
                      f"{plural(cost.offers, 'offer')}." for cost in found.guardrails if cost.margin > 0][:MOST_PRICES],
                     "None of them costs margin here.")
            count, at_risk = found.held_back
            if count:
                st.caption(escaped(f"Held back by a rule: {plural(count, 'customer')} with "
                                   f"{money(at_risk, here.currency)} margin at risk."))


def _more(price: Price, currency: str) -> str:
    words = more(price.name)[1]
    return f"{words[0].upper()}{words[1:]} would bring about {money(price.brings, currency)}."


def _bullets(lines: Sequence[str], none: str) -> None:
    st.markdown("\n".join(f"- {escaped(line)}" for line in lines) if lines else f":gray[{none}]")


def by_treatment(found: Plan, here: Here) -> None:
    """What is done to how many, and what it costs and brings."""
    treatments, currency = here.scope.book.treatments, here.currency
    rows = [{"treatment": worded(row["treatment"]), "channel": worded(treatments[row["treatment"]].channel),
             "customers": f"{row['customers']:,}", "saves": f"{row['saves']:,.1f}",
             "cost": money(row["spend"], currency), "margin": money(row["margin"], currency),
             "roi": f"{100 * row['margin'] / row['spend']:,.0f} %" if row["spend"] > 0 else "–"}
            for row in found.by("treatment").to_dict("records")]
    with card("What the plan does"):
        table(rows, HEADS, "plan_treatments", "The plan by treatment", words=2)


def preview(found: Plan, here: Here) -> None:
    """The first rows, by what they bring, and what would be said."""
    rows, words = st.tabs(["Customers", "Messages"], key="plan_preview", on_change="rerun")
    if rows.open:
        with rows:
            customers(found, here)
    if words.open:
        with words:
            messages(found, here)


def customers(found: Plan, here: Here) -> None:
    """Those who bring most, with their offer."""
    made = found.decisions()
    made = made[made["treatment"] != NOTHING_DONE].nlargest(ROWS, "incremental_margin")
    made = made.assign(churn_probability=100 * made["churn_probability"], uplift=100 * made["uplift"],
                       treatment=made["treatment"].map(worded), channel=made["channel"].map(worded)).round(2)
    config, unit = st.column_config, f" [{here.currency}]" if here.currency else ""
    st.dataframe(made[["customer_id", "segment", "churn_probability", "treatment", "channel", "uplift",
                       "expected_cost", "incremental_margin"]], hide_index=True, key="plan_rows", column_config={
        "customer_id": customer_column("plan_open"), "segment": "Segment", "treatment": "Treatment",
        "channel": "Channel",
        "churn_probability": config.NumberColumn("Chance to leave", format="%.1f %%"),
        "uplift": config.NumberColumn("Lowered by", format="%.1f points", help="Uplift: the chance to leave without "
                                      "the offer minus with it."),
        "expected_cost": config.NumberColumn(f"Expected cost{unit}", format="accounting"),
        "incremental_margin": config.NumberColumn(f"Incremental margin{unit}", format="accounting"),
    }, alt="The customers of the plan who bring most")
    open_clicked("plan_open")
    st.caption(f"The {min(ROWS, found.total.customers)} that bring most, of {found.total.customers:,}.")


def messages(found: Plan, here: Here) -> None:
    """Every variant of every text that the plan would send, as one customer would read it."""
    chosen = list(found.by("treatment")["treatment"])
    shown = previews(here.scope.book, sender=here.dataset.name.replace("-", " ").title()[:30], treatments=chosen)
    if shown.empty:
        empty("None of these treatments says anything in writing.", "Add messages to them in the playbook.")
        return
    rows = [{name: str(value) for name, value in row.items()} for row in shown.to_dict("records")]
    st.table([{"Treatment": worded(row["treatment"]), "Channel": worded(row["channel"]), "Text": escaped(row["text"]),
               "Length": row["units"], "May be sent": escaped(row["problem"]) or "Yes"} for row in rows],
             hide_index=True)


def head(here: Here, found: Plan | None) -> None:
    """The question, and what the plan answers."""
    header(TITLE, here, sentence(found, here.currency) if found else
           "Choose whom, set the limits, and let the plan find what brings most.")
    hint("plan", "Targeting is by what an offer is expected to bring beyond its cost, not by risk: whoever would cost "
         "more is left alone. Where contact costs next to nothing, that is hardly anybody.")


def nearly_everybody(customers: int, among: int, measured: bool) -> str:
    """That a plan leaves hardly anybody alone, and what that rests on; "" where it does.

    >>> nearly_everybody(5573, 5590, measured=True), nearly_everybody(300, 5590, measured=True)
    ('It contacts 5,573 of 5,590: at these costs almost any chance to leave pays for a contact.', '')
    """
    if not customers or customers < NEARLY * among:
        return ""
    rests = "" if measured else ", if the playbook's assumptions of its effect hold"
    return (f"It contacts {customers:,} of {among:,}: at these costs almost any chance to leave pays for a contact"
            f"{rests}.")


def effects_line(found: Plan) -> None:
    """Where the effects come from."""
    known = [one for one in found.priced.treatments if one.acts]
    tried = [one for one in known if found.priced.effects.tried(one.name)]
    said = (f"{len(tried)} of {len(known)} effects rest on what was tried by chance, the others are assumptions of the "
            "playbook." if tried else "All effects are assumptions of the playbook until campaigns with a holdout "
            "measure them.")
    nearly = nearly_everybody(found.total.customers, len(found.priced.people), bool(tried))
    shares = ", ".join(f"{name} {share(part)}" for name, part in found.total.unsure.items())
    learned = "" if found.priced.learned.words == UNTAUGHT else found.priced.learned.words
    st.caption(escaped(" ".join([*([nearly] if nearly else []), said, *([learned] if learned else []),
                                 f"What is unsure about the margin: {shares}."])))
    st.caption("Other figures than on the lists, which hold everybody whom a step fits, and in Revenue Recovery, which "
               "makes one offer to a whole segment: a plan chooses for each customer what brings most.")


def figures(found: Plan, here: Here) -> None:
    """What the plan costs and brings, what that rests on, and whom rules or data keep out of it."""
    kpis(top_row(found, here.currency))
    effects_line(found)
    if said := overview.brought_words(answer(overview.still_brought, here.scope)):
        st.caption(said)
    left_out(found)
    out_of_reach(found, here)


def left_out(found: Plan) -> None:
    """Whom the contact rules keep from an offer, before anything was chosen."""
    if counted := found.left_out():
        said = "; ".join(f"{plural(number, 'customer')} {why}" for why, number in counted.items())
        st.caption(escaped(f"Left out by the contact rules, before choosing: {said}."))


def out_of_reach(found: Plan, here: Here) -> None:
    """Whom the data give no way to, and by which channels, before anybody writes it down."""
    if counted := planning.out_of_reach(here.scope, found):
        st.caption(escaped(" ".join(counted)))
    if said := planning.cannot_be_sent(here.scope, found):
        st.warning(escaped(said), icon=":material/contact_mail:")
