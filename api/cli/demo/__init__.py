"""``drorch demo``: a story of one recovery, told on simulated machines."""
