"""Health checks: an answer with evidence, in one small module for each kind."""
