"""Decide: what, if anything, is worth doing?"""
