"""Textual CSS and colour themes: data, no code."""
