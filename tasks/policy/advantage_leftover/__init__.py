"""Learning from given responses that beat the value of the policy that wrote them: A-LoL (arXiv 2305.14718)."""
