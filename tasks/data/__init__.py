"""Prompts, demonstrations and preference pairs: the tiny world, files and the Hub."""
