"""action_center."""
