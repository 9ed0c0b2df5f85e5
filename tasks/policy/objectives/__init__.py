"""Objectives: one small file a method, importable with torch and pydantic alone."""
