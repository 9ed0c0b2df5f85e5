"""Objectives of reward fitting, one file each."""
