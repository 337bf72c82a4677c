"""Benchmarks: what the engine costs, and how close to the best possible order it comes."""
