"""Fakes with behaviour, small plans, and scripts that drive a run without any engine."""
