"""The plan language, version 1: its keys, as document classes."""
