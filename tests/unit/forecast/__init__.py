"""How long it still takes."""
