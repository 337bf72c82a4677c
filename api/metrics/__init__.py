"""What may be watched from outside: figures kept in memory, and collectors asked at a scrape.

A new figure that is looked up takes a collector: a function that takes the `Desk` and gives
metric families of prometheus_client, and a line in `api.metrics.collectors.COLLECTORS`. It may
read the database once; it never asks a hypervisor, and its labels come from small sets. What
happens too often to be looked up is counted by `api.metrics.figures.Figures` where it happens.
"""
