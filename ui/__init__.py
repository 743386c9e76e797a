"""The screen's own code: sign-in at the door, navigation, what a screen is made of."""
