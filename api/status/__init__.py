"""The public page: how each service stands, for citizens and counters, and nothing internal."""
