"""model_performance."""
