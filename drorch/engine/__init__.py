"""The imperative shell: makes the world match what the pure core wants, and records it."""
