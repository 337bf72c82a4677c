"""Nouns of the field."""
