"""Fuzzed plans and bodies: no crash, no case over a second of work or 200 MB."""
