"""The public page: what it tells, what it never tells, and when nothing answers."""
