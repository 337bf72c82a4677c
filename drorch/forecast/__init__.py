"""How long a run still takes: learned durations, a compact scheduler, an end as a range. Pure."""
