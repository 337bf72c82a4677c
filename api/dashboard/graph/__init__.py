"""The dependency graph as a picture: what to show, where it stands, and how it is now.

Pure: plans and statuses come in, places and words go out. Nothing here knows a page or a store.
"""
