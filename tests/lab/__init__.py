"""Suites against real hypervisors and servers on this machine."""
