"""From the plan as written to the plan as it is run: references, cycles, defaults."""
