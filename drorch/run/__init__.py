"""The functional core of a run: commands in, events out, state by folding. No I/O, no clock."""
