"""Whole disasters, one a seed: the real engine against everything that can go wrong at once."""
