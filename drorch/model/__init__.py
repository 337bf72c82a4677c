"""Nouns of the field as frozen values: plan, step, service, limits, graph."""
