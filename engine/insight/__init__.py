"""Questions asked of stored scores: who is at risk, what changed, how do segments differ."""

from engine.insight.source import EVERYONE_HERE, Filters, Scope, ask, columns, scope

__all__ = ["EVERYONE_HERE", "Filters", "Scope", "ask", "columns", "scope"]
