"""Disasters done to real processes, databases and disks; after each, nothing lost, nothing doubled."""
