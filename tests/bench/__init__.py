"""The benchmark itself: what it gives to the contestants, and how it counts."""
