"""Suites: one file a benchmark, which share the interface of ``suite.py`` and nothing else."""
