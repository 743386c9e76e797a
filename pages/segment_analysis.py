"""segment_analysis."""
