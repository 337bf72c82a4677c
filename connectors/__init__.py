"""Adapters to the outside: hypervisors, health checks, callouts."""
