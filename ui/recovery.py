"""What Revenue Recovery is set by: the scenario opened, the budget, and each segment's sliders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from engine import saved
from engine.insight import AT_RISK, Outcome, Scenario, Start, Terms, percent, roi_words
from engine.schema import SEGMENTS, money, money_in_full, money_range
from engine.schema.wording import SIGNS
from ui.components import Kpi, card, escaped, told
from ui.links import from_address, impossible, named_in_address, not_there, set_by_hand
from ui.state import Here, now

NONE = "No scenario"
OPENED, COMPARED = "recovery_opened", "recovery_compare"
MOST_COMPARED = 8
BUDGET_STEP = 1_000
RANGES = ((1.0, 2.0, 0.05), (10.0, 25.0, 0.5), (50.0, 100.0, 1.0))  # cost begun with, up to -> end, step of its slider
MOST_KEPT = 60.0


def choose_scenario(here: Here, kept: Sequence[saved.Saved]) -> None:
    """The list of saved scenarios; the one chosen, by hand or in the address, sets every slider once."""
    from_address("budget")
    names = [NONE, *(entry.name for entry in kept)]
    named_in_address("scenario", names)
    chosen = st.selectbox("Scenario", names, key="scenario", bind="query-params", on_change=set_by_hand,
                          args=("scenario",), help="Saved assumptions. The address holds the one that is open, so it "
                                                   "can be shared.")
    stamp, first = (here.dataset.name, chosen), OPENED not in st.session_state
    if st.session_state.get(OPENED) == stamp:
        return
    st.session_state[OPENED] = stamp
    content = next((entry.content for entry in kept if entry.name == chosen), None)
    if content is not None:
        with told():
            _open(here, Scenario.of(content), keep_budget=first and "budget" in st.query_params)


def _open(here: Here, scenario: Scenario, keep_budget: bool) -> None:
    """Set every slider as the scenario says."""
    values: dict[str, object] = {"segments": [name for name in SEGMENTS if name in scenario.segments],
                                 "redemption": 100 * scenario.redemption, "strength": scenario.strength,
                                 "whole": scenario.whole_budget}
    for segment, terms in scenario.segments.items():
        values |= {f"{segment}_rate": 100 * terms.recovery_rate, f"{segment}_contact": terms.contact_cost,
                   f"{segment}_offer": terms.offer_cost}
    for name, value in values.items():
        st.session_state[_key(here, name)] = value
    if not keep_budget:
        st.session_state["budget"] = round(scenario.budget)


def keep_scenario(here: Here, scenario: Scenario) -> None:
    """Save what is set under a name, or delete the scenario that is open."""
    opened = st.session_state["scenario"]
    with st.popover("Save", icon=":material/save:", key="recovery_save"):
        name = st.text_input("Name", "" if opened == NONE else opened, key=f"recovery_name_{opened}", max_chars=120)
        st.caption("Saving under a name that is taken replaces it.")
        st.button("Save scenario", key="recovery_save_now", type="primary", disabled=not name.strip(),
                  on_click=_save, args=(here, name, scenario))
    with st.popover("Delete", icon=":material/delete:", disabled=opened == NONE, key="recovery_deleting"):
        st.caption(f"{escaped(opened)} goes for everybody, whoever saved it.")
        st.button("Delete this scenario", key="recovery_delete", on_click=_delete, args=(here, opened))


def _save(here: Here, name: str, scenario: Scenario) -> None:
    entry = saved.keep("scenario", here.dataset.name, name, vars(scenario), actor=here.actor, now=now())
    st.session_state["scenario"] = entry.name
    st.session_state[OPENED] = (here.dataset.name, entry.name)
    compared = st.session_state.get(COMPARED)
    if compared is not None and entry.name not in compared and len(compared) < MOST_COMPARED:
        st.session_state[COMPARED] = [*compared, entry.name]
    st.toast(escaped(f"Saved as {entry.name}. The address of this page now opens it."), icon=":material/save:")


def _delete(here: Here, name: str) -> None:
    saved.forget("scenario", here.dataset.name, name, actor=here.actor)
    st.session_state["scenario"] = NONE
    st.session_state[OPENED] = (here.dataset.name, NONE)


def choose_budget(here: Here) -> float:
    """The budget, in the address."""
    unit = f" [{here.currency}]" if here.currency else ""
    if "budget" not in st.session_state and "budget" not in st.query_params:
        st.session_state["budget"] = round(here.scope.book.plan.budget)
    given = st.number_input(f"Budget{unit}", min_value=0, step=BUDGET_STEP, key="budget",
                            bind=from_address("budget"), on_change=set_by_hand, args=("budget",),
                            help="What do we get for this much? Customers are contacted in the order of what they "
                                 "bring per cost, until it is spent or the next one would cost more than they bring.")
    return float(given or 0.0)


def heed_address() -> None:
    """Say where the address asks for a budget that cannot be, or a scenario that is not there."""
    not_there("scenario", "scenario", "What a plan begins with stands here instead.")
    impossible("budget", "the budget")


def choose_segments(here: Here) -> list[str]:
    """The segments that may be contacted, in their fixed order."""
    st.session_state.setdefault(_key(here, "segments"), list(AT_RISK))
    chosen = st.pills("Segments", SEGMENTS, selection_mode="multi", key=_key(here, "segments"), wrap=True,
                      persist_state="session", help="Which segments may be contacted; at first the three at risk.")
    return [name for name in SEGMENTS if name in chosen]


def terms_of(here: Here, start: Start, strength: float) -> Terms:
    """One segment's sliders: the share of leavers kept, with where the figure comes from, and the two costs."""
    segment = start.segment
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{segment}**")
        st.caption(escaped(start.treatment.words))
        percent = _slider(here, f"{segment}_rate", "Recovery rate: leavers kept", 100 * start.terms.recovery_rate,
                          (MOST_KEPT, 0.5), "%.1f %%", "Of those who would have left, the share who are kept.")
        rate = round(percent / 100, 6)
        st.caption(f"{':material/science:' if start.measures(rate) else ':material/psychology_alt:'} "
                   f"{escaped(start.source(rate))}")
        contact = _money(here, f"{segment}_contact", "Cost per contact", start.terms.contact_cost,
                         "Paid for everyone contacted, whether they would have left or not.")
        offer = _money(here, f"{segment}_offer", "Cost of the offer", start.terms.offer_cost,
                       "Paid for everyone who takes the offer: those kept, and some who would have stayed anyway.")
    return Terms(contact, offer, rate, start.terms.strength if start.measures(rate) else strength)


def choose_common(here: Here) -> tuple[float, float, bool]:
    """What holds for all segments: who else takes the offer, how sure the rates are, whether all must be spent."""
    base = Scenario({}, 0.0)
    with card("For all segments", "Assumptions too."):
        redemption = _slider(here, "redemption", "Would have stayed, takes the offer too", 100 * base.redemption,
                             (100.0, 5.0), "%.0f %%", "Cannibalisation: of those who would have stayed anyway, the "
                             "share who take the offer. An assumption; campaigns will measure it.")
        strength = _slider(here, "strength", "How sure the recovery rates are", base.strength, (200.0, 1.0), "%.0f",
                           "As if each assumed rate had been seen on this many would-be leavers. Few = a wide band. "
                           "Measured rates bring their own certainty.", least=2.0)
        st.session_state.setdefault(_key(here, "whole"), False)
        whole = st.toggle("Spend the whole budget", key=_key(here, "whole"), persist_state="session",
                          help="Also contact customers who are expected to cost more than they bring.")
    return redemption / 100, strength, whole


def many(here: Here) -> bool:
    """Whether more segments are chosen than stand beside the pictures."""
    return len(st.session_state.get(_key(here, "segments"), AT_RISK)) > len(AT_RISK)


def choose(here: Here, starts: Mapping[str, Start], budget: float) -> Scenario:
    """The scenario that the sliders say; those of many segments stand side by side."""
    segments = choose_segments(here)
    own, common = st.grid(3, min_column_width=250) if many(here) else st.container(), st.container()
    with common:
        redemption, strength, whole = choose_common(here)
    with own:
        terms = {name: terms_of(here, starts[name], strength) for name in segments}
    return Scenario(terms, budget, redemption, strength, whole)


def figures(found: Outcome, currency: str) -> dict[str, str]:
    """An outcome's figures as a table shows them."""
    return {"investment": money(found.investment, currency), "saves": f"{found.saves.value:,.1f}",
            "net": money(found.net.value, currency), "roi": roi_words(found)}


def _money(here: Here, name: str, label: str, start: float, says: str) -> float:
    end, step = next(((end, step) for most, end, step in RANGES if start <= most), (4 * start, 1.0))
    return _slider(here, name, label, start, (end, step), f"{SIGNS.get(here.currency, '')}%.2f", says)


def _slider(here: Here, name: str, label: str, start: float, scale: tuple[float, float], form: str, says: str,
            least: float = 0.0) -> float:
    """A slider that keeps its place for the session; it reaches as far as what it was set to by a scenario."""
    key, (end, step) = _key(here, name), scale
    value, reach = float(st.session_state.setdefault(key, float(start))), f"{key}_reach"
    st.session_state[reach] = max(end, value, st.session_state.get(reach, end))
    return float(st.slider(label, least, st.session_state[reach], step=step, format=form, key=key, help=says,
                           persist_state="session"))


def _key(here: Here, name: str) -> str:
    return f"recovery_{here.dataset.name}_{name}"


def top_row(total: Outcome, budget: float, currency: str) -> list[Kpi]:
    """Investment, saves, net return and ROI, the last three with their bands."""
    saves, net, roi = total.saves, total.net, total.roi
    roi_band = f"90 % band {percent(roi.low)} to {percent(roi.high)}" if roi else "nothing is invested"
    return [
        Kpi("Investment", money(total.investment, currency), "Contacts, and the offers taken by those kept and by some "
            "who would have stayed anyway.", band=f"of {money_in_full(budget, currency)} budget"),
        Kpi("Expected saves", f"{saves.value:,.1f}", "Recovery rate x expected leavers among those contacted.",
            band=f"90 % band {saves.low:,.0f} to {saves.high:,.0f}"),
        Kpi("Net return", money(net.value, currency), "Margin kept less the investment.",
            band=f"90 % band {money_range(net.low, net.high, currency)}"),
        Kpi("ROI", roi_words(total), "Net return / investment.", band=roi_band),
    ]
