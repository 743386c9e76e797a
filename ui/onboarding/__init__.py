"""The screen's side of onboarding: what a person decides of their files, the doctor's proposal, the way to training."""
