"""The Action Center's campaigns: planned, written down, approved, launched, exported, measured."""
