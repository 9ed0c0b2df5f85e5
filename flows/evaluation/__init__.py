"""Putting one model through the benchmarks."""
