"""The digest as one HTML file that needs nothing else: one A4 page on paper, one column on a phone.

All words from data are escaped; a content policy forbids the file to load or send anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from html import escape
from typing import Any

from engine.briefing import pictures
from engine.briefing.facts import Facts, money_moved, movement_words
from engine.briefing.style import STYLE
from engine.decision.recovery import percent, rate_words, roi_words
from engine.insight import movement
from engine.insight.recovery import NO_MONEY, rates_words
from engine.schema import Estimate, money, money_in_full, plural, share

ROOMY = 4
JOINER = "\u2060"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
MOST_FINDINGS, LONGEST_FINDINGS, LONGEST_SEVERE, LONGEST_NAME = 3, 420, 170, 40


def said(text: str) -> str:
    """Words from data, escaped; a minus before money is a minus sign, which a word joiner keeps beside its figure.

    >>> said("<b> -$836 on 2025-07-01").replace(JOINER, "")
    '&lt;b&gt; −$836 on 2025-07-01'
    """
    return escape(re.sub(r"(?<!\w)-(?=[$€£\d])", f"−{JOINER}", text))


def cut(text: str, longest: int) -> str:
    """The text's beginning, where it is too long for its place.

    >>> cut("A finding that says much", 12), cut("short", 12)
    ('A finding...', 'short')
    """
    return text if len(text) <= longest else text[: longest - 3].rstrip() + "..."


def page(facts: Facts) -> str:
    """The whole file."""
    title = f"{facts.scope.dataset.name}: retention digest"
    dense = ' class="dense"' if len(facts.simulation.scenario.segments) + len(facts.findings) > ROOMY else ""
    body = "\n".join(part(facts) for part in (_head, _lead, _tiles, _segments, _news, _money, _foot))
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<title>{escape(title)}</title>\n'
            f"<style>{STYLE}</style>\n</head>\n<body>\n<main{dense}>\n{body}\n</main>\n</body>\n</html>\n")


def _head(facts: Facts) -> str:
    dataset, run = facts.scope.dataset, facts.scope.run
    label = '<p class="synthetic">Synthetic: an invented company</p>' if run.synthetic else ""
    return (f'<header><div><p class="over">RETENTION DIGEST</p><h1>{said(dataset.name)}</h1></div>'
            f'<div class="when">{label}<p>as of {run.as_of:%d %B %Y}</p><p>{run.customers:,} customers scored</p></div>'
            "</header>")


def _lead(facts: Facts) -> str:
    warning = "" if facts.card.usable else (
        '<p class="lead"><b>The model knows nothing about who leaves: do not act on these figures.</b></p>')
    return (f'{warning}{_before_anything(facts)}<p class="lead">{said(facts.headline)}</p>'
            f'<p class="muted">{said(facts.age.words)}</p>')


def _before_anything(facts: Facts) -> str:
    """Severe findings head every figure until somebody has answered them."""
    severe = [one for one in facts.findings if one.severity == "severe"]
    rows = "".join(f"<li><b>{said(cut(one.where, LONGEST_NAME))}</b>: {said(cut(one.what, LONGEST_SEVERE))}</li>"
                   for one in severe[:MOST_FINDINGS])
    more = len(severe) - MOST_FINDINGS
    rows += f"<li>{plural(more, 'more severe finding')} on the Overview screen.</li>" if more > 0 else ""
    return f'<section class="card severe"><h2>Before anything else</h2><ul>{rows}</ul></section>' if severe else ""


def _tiles(facts: Facts) -> str:
    stands, totals, currency = facts.stands, facts.totals, facts.currency
    then = facts.moved.then if facts.moved else None
    since = f" since {then.as_of:%d %b}" if then else ""
    margin, vips = stands.margin_at_risk, stands.segments.loc[stands.segments["segment"] == "At-Risk VIP", "customers"]
    return '<div class="tiles">' + "".join((
        _tile(f"Expected leavers of {stands.customers:,}", f"{stands.leavers.value:,.0f}",
              _between(stands.leavers, lambda x: f"{x:,.0f}"), pictures.interval(stands.leavers, stands.customers),
              f"{totals.leavers - then.leavers:+,.0f}{since}" if then else ""),
        _tile("Margin at risk", money(margin.value, currency), _between(margin, lambda x: money(x, currency)),
              pictures.interval(margin, stands.at_stake),
              _with(money_moved(facts, "margin_at_risk"), since)),
        _tile("Average expected LTV", money(totals.mean_ltv, currency), "per customer",
              _course(facts, "mean_ltv"), _with(money_moved(facts, "mean_ltv"), since)),
        _tile("Margin at risk in At-Risk VIP", share(stands.vip_share), plural(int(vips.sum()), "customer"),
              _course(facts, "vip_share"),
              f"{100 * (totals.vip_share - then.vip_share):+.1f} points{since}" if then else ""),
    )) + "</div>"


def _with(moved: str, since: str) -> str:
    return moved + since if moved else ""


def _tile(label: str, value: str, beside: str, picture: str, moved: str) -> str:
    told = f'<p class="muted">{said(moved)}</p>' if moved else ""
    return (f'<div class="card tile"><p class="label">{said(label)}</p><b>{said(value)}</b>{picture}'
            f'<p class="muted">{said(beside)}</p>{told}</div>')


def _between(found: Estimate, style: Callable[[float], str]) -> str:
    return f"{style(found.low)} to {style(found.high)} with 90 %"


def _course(facts: Facts, name: str) -> str:
    values = movement.course(facts.history, name)
    return pictures.course(values, f"{name.replace('_', ' ')} over {len(values)} runs") if len(values) > 1 else ""


def _segments(facts: Facts) -> str:
    most = float(facts.stands.segments["margin_at_risk"].max() or 0.0)
    rows = "".join(_segment(row, facts.currency, most) for row in facts.stands.segments.to_dict("records"))
    heads = ('<tr><th>Segment</th><th>Customers</th><th>Chance<br>to leave</th>'
             '<th class="wide">Expected<br>leavers</th><th class="wide">Mean LTV</th><th>Margin<br>at risk</th>'
             '<th class="wide" style="width:17%"></th></tr>')
    return (f'<div class="pair segments"><section class="card"><h2>Where the margin at risk sits</h2>'
            f"<table>{heads}{rows}</table></section>{_drivers(facts)}</div>")


def _segment(row: Mapping[Hashable, Any], currency: str, most: float) -> str:
    name, margin = row["segment"], row["margin_at_risk"]
    colour = pictures.SEGMENT_COLOURS[name]
    bar = pictures.split_bar(margin, 0, most, f"{name}: {money(margin, currency)}", (colour, colour))
    return (f'<tr><td><i class="mark" style="background:{colour}"></i>{said(name)}</td><td>{row["customers"]:,}</td>'
            f'<td>{share(row["churn_probability"])}</td><td class="wide">{row["leavers"]:,.0f}</td>'
            f'<td class="wide">{money(row["expected_ltv"], currency)}</td><td>{money(margin, currency)}</td>'
            f'<td class="wide">{bar}</td></tr>')


def _drivers(facts: Facts) -> str:
    told = facts.drivers
    if told.empty:
        return '<section class="card"><h2>What drives it</h2><p>No reasons were kept with these scores.</p></section>'
    most = float((told["raises"] + told["lowers"]).max())
    rows = "".join(
        f"<li><span>{share(row['share'])}</span>{said(str(row['title']))}"
        + pictures.split_bar(row["raises"], row["lowers"], most,
                             f"raises the chance of {row['raises']:,}, lowers it for {row['lowers']:,}") + "</li>"
        for row in told.to_dict("records"))
    key = (f'<p class="key"><i class="mark" style="background:{pictures.RAISES}"></i>raises the chance to leave '
           f'<i class="mark" style="background:{pictures.LOWERS};margin-left:8px"></i>lowers it</p>')
    return f'<section class="card drivers"><h2>What drives it, by share of customers</h2><ul>{rows}</ul>{key}</section>'


def _news(facts: Facts) -> str:
    moved = f'<section class="card"><h2>What changed</h2><p>{said(movement_words(facts))}</p></section>'
    return f'<div class="pair news">{moved}{_findings(facts)}</div>'


def _findings(facts: Facts) -> str:
    asking = [one for one in facts.findings if one.severity != "severe"]
    shown, more = asking[:MOST_FINDINGS], len(asking) - MOST_FINDINGS
    room = LONGEST_FINDINGS // max(len(shown), 1)
    rows = "".join(f"<li><b>{said(cut(one.where, LONGEST_NAME))}</b>: {said(cut(f'{one.what} {one.fix}', room))}</li>"
                   for one in shown)
    rows += f'<li class="muted">{plural(more, "more finding")} on the Overview screen.</li>' if more > 0 else ""
    rows = rows or f"<li>Nothing {'more ' if facts.findings else ''}waits for a person.</li>"
    return f'<section class="card findings"><h2>What to look at</h2><ul>{rows}</ul></section>'


def _money(facts: Facts) -> str:
    if not facts.scope.dataset.worth_in_money:
        return f'<section class="card"><h2>What a campaign would bring back</h2><p>{said(NO_MONEY)}</p></section>'
    found, currency = facts.simulation, facts.currency
    total, named = found.total, f" (scenario {cut(facts.scenario, LONGEST_NAME)})" if facts.scenario else ""
    figures = (f"Net return as the budget grows, those who bring most per cost first. Investment "
               f"{money(total.investment, currency)}, {total.saves.value:,.1f} saves, ROI {roi_words(total)}.")
    refused = "".join(f"<li><b>{said(name)}</b>: no saves credited. {said(why)}</li>"
                      for name, why in found.refused.items())
    curve = pictures.budget_curve(found, currency) if found.whole else ""
    answer = f"{facts.answer} {rates_words(facts.starts, found.scenario)}".strip()
    title = f"What {money_in_full(found.scenario.budget, currency)} for retention would bring back{named}"
    return (f'<section class="card"><h2>{said(title)}</h2><p class="big">{said(answer)}</p>'
            f'<div class="pair money" style="margin:0"><div>{curve}<p class="key">{said(figures)}</p></div>'
            f"<div>{_assumptions(facts)}<ul>{refused}</ul></div></div></section>")


def _assumptions(facts: Facts) -> str:
    rows = ""
    for name, terms in facts.simulation.scenario.segments.items():
        start = facts.starts[name]
        rows += (f"<tr><td>{said(name)}<br><span class=\"source\">{said(start.brief(terms.recovery_rate))}</span></td>"
                 f"<td>{rate_words(terms.recovery_rate)}</td><td>{money(terms.contact_cost, facts.currency)}</td>"
                 f"<td>{money(terms.offer_cost, facts.currency)}</td></tr>")
    return ("<table><tr><th>Set for</th><th>Leavers<br>kept</th><th>Per<br>contact</th><th>Per offer<br>taken</th>"
            f"</tr>{rows}</table>")


def _foot(facts: Facts) -> str:
    scenario, run = facts.simulation.scenario, facts.scope.run
    told = (f"Leaving means: {facts.scope.dataset.label.words}. Figures speak of customers still there. Intervals hold "
            f"{facts.stands.leavers.method}. A recovery rate is an assumption until campaigns measure it; the band of "
            f"the net return holds 90 %: that rate's uncertainty, the model's, and chance. "
            f"{percent(scenario.redemption)} of those who would have stayed anyway are taken to accept the offer too. "
            "ROI is net return / investment. "
            f"Run {run.run_id}, model {run.model_id}; written {facts.now:%d %B %Y} by {facts.actor.id}.")
    return f"<footer>{said(told)}</footer>"
