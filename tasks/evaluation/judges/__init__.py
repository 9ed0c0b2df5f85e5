"""Judges: who says which of two responses is better, or how good one is."""
