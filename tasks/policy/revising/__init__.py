"""One model in two roles: answering a prompt, and revising an answer to it (SRPO, arXiv 2406.01660)."""
