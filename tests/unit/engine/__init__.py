"""The engine's parts, each alone, in virtual time."""
