"""The save desk: whom to speak with first, within the minutes of the day; one customer open beside the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from engine import campaigning, planning, settling
from engine.campaign import desk
from engine.campaign.desk import ENDS, Item, Worklist
from engine.campaign.rules import rules
from engine.evidence.overrides import Score
from engine.files import short_hash
from engine.insight.stopped import stopped
from engine.schema import Estimate, money, plural, share
from ui import desk_item, links
from ui.action_parts import worded
from ui.components import Kpi, card, empty, escaped, header, hint, kpis, told
from ui.desk_item import NEWS
from ui.state import Here, now

EVERYBODY, MINE, NOBODY = "everybody", "mine", "nobody"
WHOSE = {EVERYBODY: "Everybody's", MINE: "Mine", NOBODY: "Nobody's"}
OPENED = "desk_item"
MOST_ENDED, MOST_MINUTES = 100, 100_000
EVEN = 0.5
ROWS, TALL = 14, 560
COLUMNS = ("customer_id", "pace", "margin", "minutes", "chance", "treatment", "segment", "stage", "owner", "due")
ENDED_COLUMNS = ("customer_id", "segment", "stage", "reason", "outcome", "owner", "ended")
WAITING_COLUMNS = (*COLUMNS, "snoozed")
STOPPED_COLUMNS = ("customer_id", "stopped", *COLUMNS[1:])


def screen(place: Here) -> None:
    """The day's list, the customer who is open, and what fills the desk."""
    day = now().date()
    head, choice = st.container(), st.grid(2, min_column_width=240, vertical_alignment="bottom")
    with choice:
        whose = _whose()
        minutes = _capacity(place)
    name, actor = place.dataset.name, place.actor
    everything = desk.items(name, stopped(name, actor=actor), actor=actor)
    mine = [item for item in everything if BELONGS[whose](item, place.actor.id)]
    found = desk.cut([item for item in mine if item.is_up(day)], minutes)
    with head:
        header("Whom do we save today?", place, _sentence(found, place.currency))
        hint("desk", "Every row is a conversation, in the order of what it brings per minute of your time, as many as "
             "fit the day. Open one to take it on.")
        kpis(_figures(found, mine, minutes, place))
        if news := st.session_state.pop(NEWS, ""):
            st.success(escaped(news), icon=":material/check_circle:")
    if mine:
        _work(place, found, mine, day)
    else:
        _nobody(whose, bool(everything))
    with st.grid(2, min_column_width=320):
        _fill(place)
        _scores(settling.overrides(place.dataset.name, actor=place.actor))


# ---- what the day holds


BELONGS: Mapping[str, Callable[[Item, str], bool]] = {
    EVERYBODY: lambda _item, _me: True, MINE: lambda item, me: item.owner == me,
    NOBODY: lambda item, _me: item.owner is None}
"""Whether an item is among those looked at, by whose they are."""


def _whose() -> str:
    chosen: str = st.segmented_control("Whose", list(WHOSE), default=EVERYBODY, required=True, key="desk_whose",
                                       format_func=lambda name: WHOSE[name], bind="query-params")
    return chosen


def _capacity(place: Here) -> float:
    usual = rules(place.dataset.name, actor=place.actor).desk_minutes
    given = st.number_input("Minutes today", 0, MOST_MINUTES, int(usual), 15, key="desk_minutes",
                            bind=links.from_address("desk_minutes", most=MOST_MINUTES), on_change=links.set_by_hand,
                            args=("desk_minutes",), help=f"The company's rule is {usual:g} minutes a day.")
    links.impossible("desk_minutes", "the minutes of the day")
    return float(given)


def _sentence(found: Worklist, currency: str) -> str:
    """How many fit the day, and what they are expected to bring."""
    if not found.today:
        return "Nobody is to be spoken with today."
    more = f"; {plural(len(found.later), 'more waits', 'more wait')}" if found.later else ""
    return (f"{plural(len(found.today), 'conversation fits', 'conversations fit')} today's minutes, expected to bring "
            f"{money(found.margin, currency)}{more}.")


def _figures(found: Worklist, mine: Sequence[Item], minutes: float, place: Here) -> list[Kpi]:
    late = sum(item.due is not None and item.due < now().date() and item.stage not in ENDS for item in mine)
    pace = found.margin / found.minutes if found.minutes else 0.0
    return [
        Kpi("To speak with today", f"{len(found.today):,}", "Open, neither snoozed nor stopped, worth a conversation, "
            "and within the minutes of the day."),
        Kpi("Expected margin", money(found.margin, place.currency), "Expected incremental margin of today's list: "
            f"uplift x value if the customer stays, minus the cost; {money(pace, place.currency)} a minute."),
        Kpi("Minutes", f"{found.minutes:,.0f} of {minutes:,.0f}", "What today's conversations take of the day."),
        Kpi("Overdue", f"{late:,}", "Open, and due before today."),
    ]


def _nobody(whose: str, others: bool) -> None:
    if others:
        empty("Nobody here is yours." if whose == MINE else "Everybody on the desk has an owner.",
              "Look at everybody's, open a customer, and take it.")
    else:
        empty("The save desk is empty.", "It fills when a campaign with phone calls is launched; below, you can put "
              "the plan's calls or a single customer on it.")


# ---- the lists


def _work(place: Here, found: Worklist, mine: Sequence[Item], day: date) -> None:
    """Today's list beside the customer who is open; what waits, sleeps and has ended below."""
    barred = [item for item in mine if item.stopped]
    asleep = [item for item in mine if item.stage not in ENDS and not item.is_up(day) and not item.stopped]
    ended = sorted((item for item in mine if item.stage in ENDS), key=lambda item: -item.id)[:MOST_ENDED]
    ranked = [*found.today, *found.later, *asleep, *barred, *ended]
    wide, narrow = st.columns([1.7, 1], gap="medium")
    with narrow:
        opened = _choose(ranked)
    with wide, card("Today", "The most margin per minute first. Tick a row to open it."):
        _table(place, found.today, COLUMNS, "today", "Nobody is to be spoken with today.")
        _folded(place, f"Does not fit today ({len(found.later):,})", found.later, COLUMNS, "later")
        _folded(place, f"Snoozed ({len(asleep):,})", asleep, WAITING_COLUMNS, "asleep")
        _folded(place, f"Stopped: no conversation after all ({len(barred):,})", barred, STOPPED_COLUMNS, "stopped")
        _folded(place, f"Ended ({len(ended):,}{', the latest' if len(ended) == MOST_ENDED else ''})", ended,
                ENDED_COLUMNS, "ended")
    with narrow:
        desk_item.panel(place, opened)


def _choose(ranked: Sequence[Item]) -> Item:
    """The customer who is open: the one ticked or chosen, else the first of the list."""
    by_id = {item.id: item for item in ranked}
    if st.session_state.get(OPENED) not in by_id:
        st.session_state[OPENED] = ranked[0].id
    chosen = st.selectbox("Customer", list(by_id), key=OPENED,
                          format_func=lambda number: f"{by_id[number].customer_id} · {by_id[number].segment}")
    return by_id[chosen]


def _folded(place: Here, title: str, found: Sequence[Item], columns: Sequence[str], name: str) -> None:
    if found:
        with st.expander(title, key=f"desk_{name}_fold"):
            _table(place, found, columns, name, "")


def _table(place: Here, found: Sequence[Item], columns: Sequence[str], name: str, nobody: str) -> None:
    """Items as rows; a tick opens one beside the list, a click on the id opens Customer Lookup."""
    if not found:
        st.caption(nobody)
        return
    rows = [{column: _cell(item, column) for column in columns} for item in found]
    key = f"desk_{name}_{short_hash([item.id for item in found])}"

    def ticked() -> None:
        if picked := st.session_state[key]["selection"]["rows"]:
            st.session_state[OPENED] = found[picked[0]].id

    st.dataframe(rows, hide_index=True, key=key, on_select=ticked, selection_mode="single-row", placeholder="",
                 column_config=_heads(place.currency, f"desk_{name}_open"), alt=f"Save desk: {name}",
                 height=TALL if len(found) > ROWS else "content")
    links.open_clicked(f"desk_{name}_open")


def _cell(item: Item, column: str) -> Any:
    told: Mapping[str, Callable[[], Any]] = {
        "treatment": lambda: worded(item.treatment), "chance": lambda: 100 * item.churn_probability,
        "margin": lambda: round(item.incremental_margin, 2), "pace": lambda: round(item.margin_per_minute, 2),
        "stage": lambda: item.stage.capitalize(), "owner": lambda: item.owner or "",
        "snoozed": lambda: item.snoozed_until, "ended": lambda: item.ended_at}
    return told[column]() if column in told else getattr(item, column)


def _heads(currency: str, opens: str) -> dict[str, Any]:
    """How each column is headed and written."""
    config, unit = st.column_config, f" [{currency}]" if currency else ""
    return {
        "customer_id": links.customer_column(opens), "segment": config.TextColumn("Segment"),
        "treatment": config.TextColumn("What to do"),
        "chance": config.NumberColumn("Chance to leave", format="%.1f %%"),
        "margin": config.NumberColumn(f"Margin{unit}", format="accounting",
                                      help="Expected incremental margin: uplift x value if the customer stays - cost"),
        "minutes": config.NumberColumn("Minutes", format="%g"),
        "pace": config.NumberColumn(f"A minute{unit}", format="accounting", help="Margin per minute of your time"),
        "stage": config.TextColumn("Stage"), "owner": config.TextColumn("Owner"),
        "due": config.DateColumn("Due", format="D MMM YYYY"),
        "stopped": config.TextColumn("Why stopped", width="medium"),
        "snoozed": config.DateColumn("Snoozed until", format="D MMM YYYY"),
        "reason": config.TextColumn("Reason", width="medium"), "outcome": config.TextColumn("Outcome", width="medium"),
        "ended": config.DateColumn("Ended", format="D MMM YYYY"),
    }


# ---- what fills it, and who was right


def _fill(place: Here) -> None:
    """Put customers on the desk who are in no campaign."""
    with card("Put somebody on the desk", "Launched campaigns with phone calls do so by themselves. Whoever refuses "
              "calls, is suppressed or held out to measure a campaign stays off it."):
        with st.form("desk_put_form", border=False, clear_on_submit=True):
            typed = st.text_input("Customer id", key="desk_put_id").strip()
            one = st.form_submit_button("Put this customer on the desk", key="desk_put_one")
        if one and typed:
            with told():
                new = campaigning.one_to_desk(place.scope, typed, actor=place.actor, now=now())
                _told_of(f"{typed} is on the desk." if new else f"{typed} was on the desk already.")
        if st.button("Put the plan's calls on the desk", key="desk_put_plan", icon=":material/playlist_add:",
                     help="Plans with the playbook's budget, and takes over what needs an agent's time."):
            with told(), st.spinner("Planning"):
                _put_plan(place)


def _put_plan(place: Here) -> None:
    plan = planning.plan(place.scope, actor=place.actor, now=now())
    new, out = campaigning.to_desk(place.scope, plan.decisions(), actor=place.actor, now=now())
    why = f", the most because: {out['reason'].mode().iloc[0]}" if len(out) else ""
    _told_of(f"{plural(new, 'customer is', 'customers are')} new on the desk; {len(out):,} of the plan's calls were "
             f"left out{why}.")


def _told_of(news: str) -> None:
    st.session_state[NEWS] = news
    st.rerun()


def _scores(found: Score) -> None:
    """People and the model over the same customers."""
    with card("Who was right: you or the model", "Overrides whose end is known, by the campaign's outcome, else by the "
              "stage in which they ended."):
        if found.hindsight:
            st.caption(f"{plural(found.hindsight, 'override')} came when the end was known, and "
                       f"{'does' if found.hindsight == 1 else 'do'} not count.")
        if found.human is None or found.model is None:
            other = "other override" if found.hindsight else "override"
            st.markdown(f"Not enough data to tell: no {other} has come to its end yet.")
            return
        st.markdown("\n".join([f"- People: {_rate(found.human)}", f"- The model: {_rate(found.model)}"]))
        st.markdown(escaped(_verdict(found)))


def _rate(found: Estimate) -> str:
    return escaped(f"right in {share(found.value)} (95 % interval {share(found.low)} to {share(found.high)}) of "
                   f"{plural(found.n, 'customer')}")


def _verdict(found: Score) -> str:
    """Who knows better where they differ; only there can one be right and the other wrong."""
    apart = found.apart
    if apart is None:
        return "Not enough data to tell: they have never said different things."
    where = f"Where they differed ({plural(apart.n, 'customer')}), people were right in {_share_with_interval(apart)}"
    if apart.low <= EVEN <= apart.high:
        return f"{where}: not enough data to tell who knows better."
    return f"{where}: {'people know' if apart.low > EVEN else 'the model knows'} better."


def _share_with_interval(found: Estimate) -> str:
    return f"{share(found.value)} (95 % interval {share(found.low)} to {share(found.high)})"
