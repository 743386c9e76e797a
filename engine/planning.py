"""From a scoring run to a plan: who is priced, with which effects and doubts; and the same for one customer.

    people_of(scope)  whom it is about and what is known of them   effects  insight/past.py, insight/learned.py
    plan(scope)       every offer priced, struck by contact rules and guardrails, chosen under the constraints
    recommend(...)    one customer's offers, by the same functions and so with the same numbers
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine import state
from engine.campaign import ledger
from engine.campaign.contact_rules import EVERYWHERE, History, barred
from engine.campaign.export import write_csv
from engine.campaign.rules import rules
from engine.catalog import Run
from engine.decision import plan as planned
from engine.decision.consents import CONSENTS
from engine.decision.constraints import Constraints
from engine.decision.economics import Doubts, Priced, price
from engine.decision.guardrails import KNOWN, SUPPRESSED, UNREACHED, blocked
from engine.decision.methods import AUTO, AUTOMATIC, METHODS, TYPES, types_of
from engine.decision.own_playbooks import playbook_for
from engine.decision.plan import Plan
from engine.decision.playbooks import LEAVE_ALONE, WIN_BACK
from engine.errors import EngineError, choose
from engine.insight.learned import learned_of
from engine.insight.off_limits import suppressed
from engine.insight.overview import brought_words, doubt, still_brought
from engine.insight.past import effects_of
from engine.insight.reach import counted, unsendable, without_address
from engine.insight.recovery import NO_MONEY
from engine.insight.source import EVERYONE_HERE, Filters, Scope, ask, columns, quoted, scope
from engine.permissions import allow
from engine.prediction import store
from engine.prediction.money import LtvSettings
from engine.prediction.value import monthly_revenue
from engine.schema import DECISIONS, NOTHING_DONE, Actor, Estimate, ModelCard, jsonable

Z95 = 1.959963984540054
AS_THE_BOOK_SAYS = Constraints()
GONE, GONE_WORDS = "has left", "an offer to stay comes too late"
GONE_WHY = "The customer has left already: win back, not retain."


def _as_csv(found: Plan) -> bytes:
    stream, rows = io.BytesIO(), found.decisions()
    write_csv(stream, DECISIONS.columns, [rows[rows["treatment"] != NOTHING_DONE]], ())
    return stream.getvalue()


def _as_parquet(found: Plan) -> bytes:
    rows = found.decisions()
    return rows[rows["treatment"] != NOTHING_DONE].to_parquet(index=False)


WRITERS: Mapping[str, Callable[[Plan], bytes]] = {".csv": _as_csv, ".parquet": _as_parquet}
"""The decisions as a file, one row per customer to contact."""


def plan(place: Scope, constraints: Constraints = AS_THE_BOOK_SAYS, filters: Filters = EVERYONE_HERE, *, actor: Actor,
         now: datetime) -> Plan:
    """Whom of those whom the filters let through to contact with what, under the constraints; recorded.

    Whoever the contact rules keep from an offer now takes no place, no cap and no money in it.

    Raises:
        EngineError: when the filters let nobody through, or the data hold no money.
        Infeasible: when constraints make no sense; names all of them.
    """
    allow(actor, "plan")
    allowed = within_contact_rules(place, priced(place, filters), actor, now)
    found = planned.make(allowed, place.book, constraints)
    state.record(actor, "plan", place.dataset.name, now, {
        "run_id": place.run.run_id, "playbook": place.playbook, "customers": found.total.customers,
        "budget": found.constraints.budget, "spend": found.total.spend, "margin": found.total.margin.value})
    return found


def priced(place: Scope, filters: Filters = EVERYONE_HERE,
           nobody: str = "Nobody fits these filters, so there is nothing to plan. Widen them.") -> Priced:
    """Every offer for everyone whom the filters let through, before anything is forbidden; `nobody`: said if no one is.
    """
    if not place.dataset.worth_in_money:
        raise EngineError(NO_MONEY)
    card = store.card(place.dataset.name, place.run.model_id)
    people = people_of(place, filters, margin_rate(card))
    if people.empty:
        raise EngineError(nobody)
    known = effects_of(place)
    return price(people, place.book, known, doubts_of(place, card), learned_of(place, card, people, known))


def within_contact_rules(place: Scope, found: Priced, actor: Actor, now: datetime) -> Priced:
    """The same offers, knowing which of them the contact rules forbid now: holdouts, rests and caps."""
    name, known = place.dataset.name, rules(place.dataset.name, actor=actor)
    days = max([known.within_days, *(treatment.cooldown_days for treatment in found.treatments)])
    with state.reader() as connection:
        past = History(contacts=ledger.contacts(connection, name, now, days),
                       held=ledger.held_out(connection, name, now))
    return replace(found, barred=barred(found.people["customer_id"], found.treatments, past, known, now))


def people_of(place: Scope, filters: Filters, margin: float) -> pd.DataFrame:
    """economics.PEOPLE of those whom the filters let through, consents, suppressions, by which channels the data give
    no way to them, and the columns that eligibility hangs on."""
    held = [name for name in (*place.book.looked_at, *CONSENTS.values()) if name in place.dataset.names]
    others = [name for name in place.book.looked_at if name not in held and name in columns(place)]
    beside = [*(quoted(KNOWN + name) for name in held),
              *(f"{quoted(name)} AS {quoted(KNOWN + name)}" for name in others)]
    wanted = ["customer_id", "segment", "churn_probability", "churn_low", "churn_high", "ltv_if_stays",
              "coalesce(hold_back, '') AS hold_back", "coalesce(has_left, 0) AS has_left", *beside]
    found = ask(place, f"SELECT {', '.join(wanted)} FROM people", filters=filters, known=held)
    ids = pd.Index(found["customer_id"])
    revenue = monthly_revenue(place.dataset, ids, place.run.as_of).to_numpy(dtype=float)
    out_of_reach = {UNREACHED + name: mask for name, mask in
                    without_address(place, _channels(place), ids, filters.ids).items()}
    return found.assign(monthly_revenue=revenue, monthly_margin=revenue * margin, **_closed(place, ids, filters.ids),
                        **out_of_reach)


def _channels(place: Scope) -> list[str]:
    return sorted({treatment.channel for treatment in place.book.treatments.values()})


def _closed(place: Scope, ids: pd.Index, asked: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Per channel of the playbook, who is on the suppression list for it; nothing for a channel that is open to all."""
    listed = suppressed(place, asked)
    closed = {name: {*listed.get(EVERYWHERE, ()), *listed.get(name, ())} for name in _channels(place)}
    return {SUPPRESSED + name: ids.isin(who) for name, who in closed.items() if who}


def margin_rate(card: ModelCard) -> float:
    """The share of revenue that the model counted as margin."""
    return float(card.settings.get("money", {}).get("margin_rate", LtvSettings.margin_rate))


def doubts_of(place: Scope, card: ModelCard) -> Doubts:
    """What is unsure about chances and lifetime values, by the model's own card.

    The level and the sample are those of `insight.overview`. A lifetime value errs by the card's error of the deciles
    (each customer's own) and of the level at earlier moments, else of the total (all together), as far as the data
    could test it.
    """
    shared, worth = doubt(card), card.metrics.get("ltv", {})
    own, total = worth.get("decile_error"), worth.get("level_error", worth.get("total_error"))
    return Doubts(shared.level, place.run.customers / max(shared.learned_from, 1),
                  abs(own.value) if own else 0.0, _off(total) if total else 0.0)


def _off(total: Estimate) -> float:
    """The root mean square of an error that is measured with a 95 % interval."""
    return math.hypot(total.value, (total.high - total.low) / (2 * Z95))


def recommend(name: str, customer_id: str, method: str = AUTO, *, actor: Actor, now: datetime,
              run_id: str | None = None) -> dict[str, Any]:
    """What to do for one customer, in plain values: the offer chosen, what it costs and brings, and why not the others.

    Args:
        method: of METHODS; "auto" takes the greatest expected incremental margin.

    Raises:
        EngineError: if the run holds no such customer, or there is no such method.
    """
    allow(actor, "recommend")
    used = AUTOMATIC if method == AUTO else method
    pick = choose("method", used, {**METHODS})
    place = scope(name, run_id)
    one = priced(place, Filters(ids=(customer_id,), left=True), nobody=f"{name} has no customer "
                 f"{customer_id!r} in run {place.run.run_id}. Ids are compared as text, zeros included.")
    one = within_contact_rules(place, one, actor, now)
    bits = blocked(one, place.book)
    chosen = pick(one, bits, place.book)
    state.record(actor, "recommend", name, now, {"customer_id": customer_id, "run_id": place.run.run_id})
    return jsonable(_recommended(place, one, bits, chosen, used))


def _recommended(place: Scope, one: Priced, bits: np.ndarray, chosen: int, used: str) -> dict[str, Any]:
    frame = planned.offers(one, place.book, bits, np.array([0]))
    offers: list[dict[str, Any]] = [{str(name): value for name, value in row.items()}
                                    for row in frame.to_dict("records")]
    person, best = one.people.iloc[0], offers[chosen] if chosen >= 0 else None
    left = bool(person["has_left"] == 1)
    kind, kind_words = (GONE, GONE_WORDS) if left else _type(one)
    action = best["treatment"] if best else WIN_BACK if left else NOTHING_DONE
    return {
        "dataset": place.dataset.name, "run_id": place.run.run_id, "synthetic": place.dataset.synthetic,
        "currency": place.dataset.currency, "horizon_days": place.dataset.label.horizon_days,
        "as_of": place.run.as_of.isoformat(), "customer_id": person["customer_id"], "segment": person["segment"],
        "churn_probability": person["churn_probability"], "churn_low": person["churn_low"],
        "churn_high": person["churn_high"], "ltv_if_stays": person["ltv_if_stays"],
        "has_left": left, "action_name": action,
        "action_words": place.book.treatments[LEAVE_ALONE if action == NOTHING_DONE else action].words,
        "expected_value": best["incremental_margin"] if best else 0.0,
        "expected_value_low": best["margin_low"] if best else 0.0,
        "expected_value_high": best["margin_high"] if best else 0.0,
        "uplift": best["uplift"] if best else 0.0, "action_cost": best["expected_cost"] if best else 0.0,
        "roi": best["roi"] if best else None, "payback_days": best["payback_days"] if best else None,
        "channel": best["channel"] if best else "none", "strategy_used": used, "type": kind, "type_words": kind_words,
        "effects": _effects(one), "why": GONE_WHY if left else _why(best, offers),
        "alternatives": [_alternative(place, one, offer, best) for offer in _ranked(offers)],
    }


def waiting(place: Scope) -> str:
    """That the playbook's rule for new customers was changed after the run was scored; "" where it was not.

    Who is held back is decided when customers are scored, and the run's id says by which rule.
    """
    run, book = place.run, place.book

    def scored_by(rules: str) -> bool:
        return Run.of(place.dataset, run.model_id, run.as_of, run.customers, rules).run_id == run.run_id

    earlier = {playbook_for(place.dataset, number).rules for number in range(place.playbook)} - {book.rules}
    if scored_by(book.rules) or not any(map(scored_by, earlier)):
        return ""
    return (f"The minimum tenure is {book.minimum_tenure_months:g} months now; this run was scored under another and "
            "holds back by that one. It counts from the next scoring on.")


def _effects(priced: Priced) -> dict[str, Any]:
    """Which treatments' effects are learned per customer, and where all of them are from, in words."""
    return {"learned": [name for name in priced.names if name in priced.learned.uplift], "words": priced.learned.words}


def _type(one: Priced) -> tuple[str, str]:
    """The customer's type, and what it means."""
    kind = str(types_of(one.p, one.moves)[0])
    return kind, TYPES[kind]


def _why(best: Mapping[str, Any] | None, offers: list[dict[str, Any]]) -> str:
    """Why this and nothing else."""
    if best:
        most = max(offer["incremental_margin"] for offer in offers if not offer["blocked_by"])
        return ("It brings the most of the offers that nothing forbids." if best["incremental_margin"] == most
                else "It is the playbook's step.")
    reasons = {offer["blocked_by"] for offer in offers}
    return reasons.pop() if len(reasons) == 1 and "" not in reasons else "No offer is worth making to this customer."


def _ranked(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Allowed ones first, by margin."""
    return sorted(offers, key=lambda offer: (bool(offer["blocked_by"]), -offer["incremental_margin"]))


def _alternative(place: Scope, one: Priced, offer: dict[str, Any], best: Mapping[str, Any] | None) -> dict[str, Any]:
    estimate = one.effects.estimate(offer["treatment"], str(one.people["segment"].iloc[0]))
    why = "" if best and offer["treatment"] == best["treatment"] else offer["blocked_by"] or _less(offer, best)
    words = place.book.treatments[offer["treatment"]].words
    learned = offer["treatment"] in one.learned.uplift
    return {**offer, "words": words, "recovery_rate": estimate, "why_not": why, "learned": learned,
            "evidence": f"tried on {estimate.n:,} customers" if estimate.n else "assumption of the playbook"}


def _less(offer: Mapping[str, Any], best: Mapping[str, Any] | None) -> str:
    if best is None:
        return "The playbook leaves this customer alone."
    less = offer["incremental_margin"] <= best["incremental_margin"]
    return "It brings less." if less else "It is not the playbook's step."


def described(place: Scope, found: Plan) -> dict[str, Any]:
    """A plan in plain values: what `plan --json` prints."""
    total, solution = found.total, found.solution
    return jsonable({
        "dataset": place.dataset.name, "run_id": place.run.run_id, "synthetic": place.dataset.synthetic,
        "currency": place.dataset.currency, "as_of": place.run.as_of.isoformat(), "playbook": place.playbook,
        "sector": found.book.sector, "customers": len(found.choice), "constraints": found.constraints, "total": total,
        "limits": found.prices, "guardrails": found.guardrails,
        "left_out": found.left_out(),
        "reach": [*filter(None, [cannot_be_sent(place, found)]), *out_of_reach(place, found)],
        "held_back": {"customers": found.held_back[0], "margin_at_risk": found.held_back[1], "why": _why_held(found)},
        "treatments": found.by("treatment").to_dict("records"), "segments": found.by("segment").to_dict("records"),
        "rivals": found.rivals, "types": types(found), "effects": _effects(found.priced), "waiting": waiting(place),
        "still_brought": _brought(place),
        "solution": {"method": solution.method, "seconds": solution.seconds, "gap": solution.gap,
                     "value": solution.value, "bound": solution.bound},
    })


def _why_held(found: Plan) -> str:
    """Why customers are held back, where it is one reason for all of them."""
    reasons = set(found.priced.people["hold_back"]) - {""}
    return reasons.pop() if len(reasons) == 1 else ""


def cannot_be_sent(place: Scope, found: Plan) -> str:
    """That no campaign of the plan can be sent as the data are, and what they lack; "" where one can."""
    return unsendable(found.by("channel")["channel"], place.dataset.names)


def out_of_reach(place: Scope, found: Plan) -> list[str]:
    """How many of those whom the plan chose among cannot be reached by which channel, in sentences."""
    return counted(found.unreached(), place.dataset.names)


def _brought(place: Scope) -> dict[str, Any]:
    part = still_brought(place)
    return {"share": part, "words": brought_words(part)}


def types(found: Plan) -> dict[str, int]:
    """How many customers are of which type (methods.TYPES), by how far they can be moved (`Priced.moves`)."""
    kinds = types_of(found.priced.p, found.priced.moves)
    return {name: int((kinds == name).sum()) for name in TYPES}
