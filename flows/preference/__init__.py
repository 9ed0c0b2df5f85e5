"""Preference-optimisation papers."""
