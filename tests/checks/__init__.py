"""Tests of health checks, call-outs and the network guard."""
