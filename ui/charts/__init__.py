"""The chart factory: pure functions, frame and look in, chart out. No Streamlit here, so that reports draw the same."""
