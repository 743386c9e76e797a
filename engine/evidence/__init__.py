"""Evidence: did it work? Measured against those kept untreated, with intervals, honest about what is too small."""
