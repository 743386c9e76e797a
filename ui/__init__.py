"""The screen's own code: sign-in at the door, navigation, what a screen is made of. Streamlit is known here and in pages."""
