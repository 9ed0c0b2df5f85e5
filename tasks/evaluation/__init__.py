"""Gold rewards, win rates, KL, statistics, claims and verdicts."""
