"""Direct alignment on a tree of decisions that is small enough to be enumerated."""
