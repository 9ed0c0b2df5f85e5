"""Policy optimisation: the loops, and the objectives they take."""
