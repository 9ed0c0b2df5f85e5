"""Building, loading, scoring with and sampling from causal language models."""
