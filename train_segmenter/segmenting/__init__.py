"""Masks of a user's own pictures."""
