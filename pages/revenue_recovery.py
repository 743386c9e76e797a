"""revenue_recovery."""
