"""Rewards: fitting reward models, and scoring responses with them or with what a world knows."""
