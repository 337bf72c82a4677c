"""The vocabulary of which the language is made: each shape reads nodes and describes itself.

Reading and the JSON Schema come from the same object, so they can't drift apart.
"""
