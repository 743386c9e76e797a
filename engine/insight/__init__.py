"""Questions asked of stored scores: who is at risk, what changed, how do segments differ."""

from engine.decision.recovery import (
    AT_RISK,
    Outcome,
    Scenario,
    Simulation,
    Terms,
    percent,
    rate_words,
    roi_words,
    simulate,
)
from engine.decision.recovery import sentence as recovery_sentence
from engine.insight.handover import Export, export_file, export_list
from engine.insight.levers import ASSOCIATION, levers_of, order_today, what_if
from engine.insight.lookup import anyone, contact, examples, opened, search
from engine.insight.recovery import (
    NO_MONEY,
    Start,
    contactable,
    first_scenario,
    rates_words,
    recovery_cells,
    recovery_starts,
)
from engine.insight.resemblance import radar, similar, unusual
from engine.insight.source import EVERYONE_HERE, Filters, Scope, ask, columns, scope
from engine.insight.timeline import timeline_of
from engine.insight.worklist import Listing

__all__ = [
    "ASSOCIATION", "AT_RISK", "EVERYONE_HERE", "NO_MONEY", "Export", "Filters", "Listing", "Outcome", "Scenario",
    "Scope", "Simulation", "Start", "Terms", "anyone", "ask", "columns", "contact", "contactable", "examples",
    "export_file", "export_list", "first_scenario", "levers_of", "opened", "order_today", "percent", "radar",
    "rate_words", "rates_words", "recovery_cells", "recovery_sentence", "recovery_starts", "roi_words", "scope",
    "search", "similar", "simulate", "timeline_of", "unusual", "what_if",
]
