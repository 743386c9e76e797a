"""What the command line prints of campaigns. Pure: records -> text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.cards import Page, called, listing
from engine.schema import money, money_range, plural, share

Record = Mapping[str, Any]
NOT_MEASURABLE = "not measurable"


def campaign(record: Record) -> str:
    """One campaign, from the record that `campaign show --json` prints."""
    page, currency = Page(), record["currency"]
    whence = f" of the budget {record['budget']}" if record["budget"] else ""
    page.headline((), record["synthetic"])
    page.title(f'"{record["name"]}" is {record["status"]}', f"{record['dataset']}, campaign {record['id']}")
    page.pairs([
        *([("Launched", "before, by the same key: nothing was changed")] if record.get("replayed") else []),
        ("Contacted", plural(record["treated"], "customer")),
        ("Held out", f"{plural(record['held_out'], 'customer')} ({share(record['holdout_share'])}), never contacted"),
        ("Spend", money(record["spend"], currency) + whence),
        ("Rests on", f"run {record['run_id']}, model {record['model_id']}, rule {record['policy_id']}"),
        *[(name.capitalize(), f"by {step['by']} on {str(step['at'])[:16].replace('T', ' ')}")
          for name, step in (record["steps"] or {}).items()],
        *([("Result known", f"from {str(record['ends'])[:10]} on")] if record["ends"] else []),
        *([("Erased since", plural(record["erased"], "customer"))] if record["erased"] else []),
    ])
    page.section("Treatments", [
        f"{called(name)}: {plural(one['customers'], 'customer')}, {money(one['expected_cost'], currency)}"
        for name, one in record["treatments"].items()])
    page.section("Left out", [f"{plural(number, 'customer')}: {why}" for why, number in record["left_out"].items()])
    page.section("Mind", record["warnings"])
    return page.text


def campaigns(record: Record) -> str:
    """A dataset's campaigns."""
    rows = [{**row, "spend": money(row["spend"], row["currency"])} for row in record["campaigns"]]
    return listing(rows, {"name": "campaign", "status": "status", "spend": "spend", "created_by": "by", "id": "id"},
                   "No campaigns yet. Make one: python -m engine campaign draft.")


def exported(record: Record) -> str:
    """What was written, and who was not."""
    lines = [f"{record['campaign']}: {plural(len(record['files']), 'file')} in {record['folder']}",
             *(f"  {name}" for name in record["files"])]
    lines += [f"Rejected, {plural(number, 'row')}: {why}" for why, number in record["rejected"].items()]
    lines += [f"Not now, {plural(number, 'customer')}: {why}" for why, number in record["waiting"].items()]
    return "\n".join(lines)


def form(record: Record) -> str:
    """What is to be filled in."""
    return (f"{record['campaign']}: {plural(record['customers'], 'customer')}, treated and held out, in "
            f"{record['form']}. Fill in stayed (1 or 0), and perhaps revenue; then read it in with --input.")


def settled(record: Record) -> str:
    """What an import of outcomes did."""
    lines = [f"{record['campaign']}: {plural(record['new'], 'new outcome')}, {record['held_out']:,} of them of the "
             f"holdout; {record['known']:,} known before."]
    if record["renewed"]:
        lines.append(f"{plural(record['renewed'], 'outcome')} told before the window's end: renewed.")
    if record["contradicting"]:
        lines.append(f"{plural(len(record['contradicting']), 'outcome')} said otherwise than the ledger and "
                     + ("replaced it." if record["corrected"] else "changed nothing; --correct replaces them."))
    if record["unknown"]:
        lines.append(f"{plural(len(record['unknown']), 'customer')} not in this campaign, for example "
                     f"{', '.join(record['unknown'][:3])}.")
    lines += [f"Row {row['row']}: {row['column']} {row['reason']}." for row in record["rejected"][:5]]
    return "\n".join(lines)


def result(record: Record) -> str:
    """What a campaign brought."""
    page, whole, currency = Page(), record["whole"], record["currency"]
    page.headline((), record["synthetic"])
    page.title(f'"{record["campaign"]}": {whole["verdict"]}', record["dataset"])
    page.line(record["says"])
    if record["caution"]:
        page.line(record["caution"])
    treated, held, promised = whole["treated"], whole["held"], whole["promised"]
    page.pairs([
        ("Contacted", _left(treated)),
        ("Held out", _left(held)),
        ("Saves", f"{_estimate(whole['saves'], ',.0f')}; the plan expected {promised['saves']:,.0f}"),
        ("Margin", f"{_in_money(whole['margin'], currency)}; the plan expected {_expected(promised, currency)}"),
        ("ROI", f"{_estimate(whole['roi'], '.2f')}; the plan expected {_number(promised['roi'], '.2f')}"),
        *([("Revenue", f"{_in_money(whole['revenue'], currency)} within the window")] if whole["revenue"]
          else []),
        *([("To tell it", f"about {whole['needed']:,} customers, holdout included")] if whole["needed"] else []),
    ])
    if whole["saves"] is not None:
        page.section("By treatment", [_part(part) for part in record["treatments"]])
        page.section("By segment", [_part(part) for part in record["segments"]])
    page.section("Mind", record["notes"])
    return page.text


def _left(side: Record) -> str:
    """How many of those on one side left, as far as it is known."""
    if not side["known"]:
        return f"{plural(side['customers'], 'customer')}, no outcome known yet"
    return f"{side['left']:,} of {side['known']:,} left"


def _part(part: Record) -> str:
    """Saves and ROI of one treatment or segment, each with its interval, beside what the plan expected."""
    promised, name = part["promised"], called(part["name"])
    if part["saves"] is None:
        return f"{name}: {part['verdict']}; {promised['saves']:,.1f} saves expected"
    return (f"{name}: {_estimate(part['saves'], ',.1f')} saves of {promised['saves']:,.1f} expected, ROI "
            f"{_estimate(part['roi'], '.2f')} of {_number(promised['roi'], '.2f')} expected; {part['verdict']}")


def _estimate(estimate: Record | None, form: str) -> str:
    if estimate is None:
        return NOT_MEASURABLE
    value, low, high = (format(estimate[name], form) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _in_money(estimate: Record | None, currency: str) -> str:
    if estimate is None:
        return NOT_MEASURABLE
    return f"{money(estimate['value'], currency)} ({money_range(estimate['low'], estimate['high'], currency)})"


def _expected(promised: Record, currency: str) -> str:
    """The margin that the plan expected of the same customers, with its interval where that is theirs."""
    return _in_money(promised["within"], currency) if promised["within"] else money(promised["margin"], currency)


def _number(value: float | None, form: str) -> str:
    return "nothing" if value is None else format(value, form)


def budgets(record: Record) -> str:
    """A dataset's budgets."""
    rows = [{"name": row["name"], **{name: f"{row[name]:,.2f}" for name in ("total", "reserved", "left")}}
            for row in record["budgets"]]
    return listing(rows, {"name": "budget", "total": "total", "reserved": "spoken for", "left": "left"},
                   "No budgets yet. A manager makes one: --name Q3 --total 50000.")


def rules(record: Record) -> str:
    """A dataset's rules for campaigns."""
    return "\n".join(f"{name:<14} {value}" for name, value in record.items() if name != "dataset")


def feedback(record: Record) -> str:
    """One customer's feedback."""
    if record["replayed"]:
        return "That was written down today already; nothing was changed."
    if record["booked"]:
        return "Written down, and as the campaign's outcome."
    if record["campaign_id"]:
        return f"Written down; not as the campaign's outcome: {record['not_booked']}."
    return "Written down."


def suppressed(record: Record) -> str:
    """The suppression list."""
    if "added" in record:
        return f"{record['added']:,} added, {record['known']:,} were on the list already."
    if "lifted" in record:
        return "Taken off the list." if record["lifted"] else "It was not on the list."
    heads = {"kind": "kind", "who": "who", "channel": "channel", "reason": "reason", "at": "since"}
    return listing(record["suppressed"], heads, "Nobody is on the suppression list.")


def desk(record: Record) -> str:
    """The day's worklist."""
    rows = [{"item": item["id"], "customer": item["customer_id"], "treatment": called(item["treatment"]),
             "a minute": f"{item['margin_per_minute']:.2f}", "minutes": f"{item['minutes']:g}", "stage": item["stage"],
             "owner": item["owner"] or "", "due": item["due"]} for item in record["today"]]
    heads = {name: name for name in rows[0]} if rows else {}
    head = (f"{record['day']}: {plural(len(rows), 'conversation')} in {record['minutes']:g} of "
            f"{record['capacity_minutes']:g} minutes, {record['margin']:,.0f} expected; {record['later']:,} wait.")
    stopped = [f"{who} is stopped: {why}" for who, why in record["stopped"].items()]
    return "\n".join([head, listing(rows, heads, "Nobody is to be spoken with today."), *stopped,
                      *_score(record["overrides"])])


def _score(overrides: Record) -> Sequence[str]:
    late = overrides["hindsight"]
    said = [f"{plural(late, 'override')} came when the end was known, and {'does' if late == 1 else 'do'} not count."
            ] if late else []
    if overrides["human"] is None or overrides["model"] is None:
        return said
    human, model = (_estimate(overrides[who], ".0%") for who in ("human", "model"))
    return [f"Overrides: people were right {human}, the model {model}, over {overrides['human']['n']} cases.", *said]
