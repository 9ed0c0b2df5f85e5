"""Shipped configuration: one YAML a paper, one section a scale."""
