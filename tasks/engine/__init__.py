"""The pieces every stage stands on: references, store, caching, locks, launching, tracking, checkpoints."""
