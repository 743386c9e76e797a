"""Predict: who leaves, when, what are they worth, and why?"""
