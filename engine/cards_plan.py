"""What the command line prints of plans, recommendations and playbooks. Pure: records -> text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.cards import Page, called
from engine.schema import money, plural, share

MOST_SHOWN = 8


def plan(record: Mapping[str, Any]) -> str:
    """A plan, from the record that `plan --json` prints."""
    page, total, currency = Page(), record["total"], record["currency"]
    page.headline((), record["synthetic"])
    page.title(f"{record['dataset']}: {plural(total['customers'], 'customer')} to contact", f"run {record['run_id']}")
    page.pairs(_totals(total, record))
    page.line("\nTreatments")
    page.table([_sums(row, "treatment", currency) for row in record["treatments"]], {
        "name": "treatment", "customers": "customers", "saves": "saves", "spend": "spend", "margin": "margin"})
    page.section("Limits, and what more of each would bring", [_limit(limit) for limit in _told(record["limits"])])
    page.section("Guardrails, and what each costs", [cost["words"] for cost in record["guardrails"]])
    page.section("The same budget spent otherwise", [
        f"{name}: {_interval(rival['margin'], currency)}, {plural(rival['customers'], 'customer')}"
        for name, rival in record["rivals"].items()])
    page.section("Left out by the contact rules, before choosing", [
        f"{plural(number, 'customer')}: {why}" for why, number in record["left_out"].items()])
    page.section("Mind", _mind(record))
    return page.text


def _totals(total: Mapping[str, Any], record: Mapping[str, Any]) -> list[tuple[str, str]]:
    currency, budget = record["currency"], record["constraints"]["budget"]
    return [
        ("Spend", f"{money(total['spend'], currency)} of {money(budget, currency)}"),
        ("of that", f"{money(total['contacts'], currency)} contacts, {money(total['offers_kept'], currency)} offers to "
                    f"those kept, {money(total['wasted'], currency)} offers to those who would have stayed anyway"),
        ("Brings", f"{_interval(total['margin'], currency)} on top of that"),
        ("Saves", f"{total['saves']:,.1f} customers expected"),
        ("ROI", "-" if total["roi"] is None else f"{100 * total['roi']:,.0f} %"),
        ("People's time", f"{total['minutes'] / 60:,.1f} hours"),
        ("Unsure because of", ", ".join(f"{name} {share(part)}" for name, part in total["unsure"].items())),
    ]


def _interval(estimate: Mapping[str, Any], currency: str) -> str:
    low, high = (money(estimate[end], currency) for end in ("low", "high"))
    return f"{money(estimate['value'], currency)} (90 % interval {low} to {high})"


def _sums(row: Mapping[str, Any], name: str, currency: str) -> dict[str, str]:
    return {"name": called(str(row[name])), "customers": f"{row['customers']:,}",
            "saves": f"{row['saves']:,.1f}", "spend": money(row["spend"], currency),
            "margin": money(row["margin"], currency)}


def _told(limits: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Limits that cost something, and the budget in any case."""
    return [limit for limit in limits if limit["brings"] > 0 or limit["name"] == "budget"][:MOST_SHOWN]


def _limit(limit: Mapping[str, Any]) -> str:
    return f"{limit['words']} ({limit['used']:,.0f} of {limit['most']:,.0f} used)"


def _mind(record: Mapping[str, Any]) -> list[str]:
    held, solution, currency = record["held_back"], record["solution"], record["currency"]
    realised = _interval(record["total"]["realised"], currency)
    return [
        f"Margin is expected; with the chance of who happens to be kept it is {realised}.",
        *([f"{plural(held['customers'], 'customer')} held back, with {money(held['margin_at_risk'], currency)} margin "
           f"at risk.{' ' * bool(held['why'])}{held['why']}"] if held["customers"] else []),
        *record["reach"],
        f"Chosen by {solution['method']} in {solution['seconds']:.2f} s; no plan within these limits brings more than "
        f"{100 * solution['gap']:.4f} % on top.",
        *filter(None, [record["still_brought"]["words"], record["waiting"]]),
        record["effects"]["words"],
        f"Pooled rates are those of the {record['sector']} playbook, moved by whatever was tried by chance.",
    ]


def recommendation(record: Mapping[str, Any]) -> str:
    """What to do for one customer, from the record that `recommend --json` prints."""
    page, currency = Page(), record["currency"]
    page.headline((), record["synthetic"])
    page.title(f"Customer {record['customer_id']}: {record['action_name'].replace('_', ' ')}",
               f"{record['dataset']}, as of {record['as_of'][:10]}")
    interval = f"90 % interval {share(record['churn_low'])} to {share(record['churn_high'])}"
    page.pairs([
        *([("Status", "has left already; the figures are of the time before")] if record["has_left"] else []),
        ("What to do", record["action_words"]),
        ("Why", record["why"]),
        ("Chance to leave", f"{share(record['churn_probability'])} within {record['horizon_days']} days ({interval})"),
        ("Worth if staying", money(record["ltv_if_stays"], currency)),
        ("Segment", f"{record['segment']}; {record['type']}: {record['type_words']}"),
        *_offer(record, currency),
        ("Strategy", called(record["strategy_used"])),
    ])
    page.section("Why not the others", [f"{called(one['treatment'])}: {_margin(one, currency)}. "
                                        f"{one['why_not']}" for one in record["alternatives"] if one["why_not"]])
    page.section("Mind", [*(_effect(one) for one in record["alternatives"]
                            if one["treatment"] == record["action_name"]), record["effects"]["words"]])
    return page.text


def _effect(one: Mapping[str, Any]) -> str:
    """What the chosen treatment is expected to do, and how that is known."""
    words = called(one["treatment"])
    if one["learned"]:
        low, high = (f"{100 * one[end]:.1f}" for end in ("uplift_low", "uplift_high"))
        return (f"{words} is expected to lower the chance to leave by {100 * one['uplift']:.1f} points (90 % interval "
                f"{low} to {high}), learned of customers like this one.")
    return f"{words} keeps {share(one['recovery_rate']['value'])} of would-be leavers here ({one['evidence']})."


def _offer(record: Mapping[str, Any], currency: str) -> list[tuple[str, str]]:
    if record["roi"] is None:
        return []
    value = {"value": record["expected_value"], "low": record["expected_value_low"],
             "high": record["expected_value_high"]}
    return [("Expected value", _interval(value, currency)), ("Expected cost", money(record["action_cost"], currency)),
            ("ROI", f"{100 * record['roi']:,.0f} %"), ("Pays back in", f"{record['payback_days'] or 0:,.0f} days")]


def _margin(one: Mapping[str, Any], currency: str) -> str:
    return f"expected value {money(one['incremental_margin'], currency)}"


def playbook(record: Mapping[str, Any]) -> str:
    """A playbook, from the record that `playbook --json` prints."""
    page = Page()
    page.line(f"{record['name']}: {plural(len(record['treatments']), 'treatment')}")
    page.table(record["treatments"], {
        "name": "treatment", "channel": "channel", "contact_cost": "contact", "offer": "offer", "rate": "keeps",
        "evidence": "from", "cooldown_days": "rest, days"})
    page.section("Mind", [record["waiting"]] if record.get("waiting") else [])
    return page.text
