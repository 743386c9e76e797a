"""customer_lookup."""
