"""The journal on a real SQLite file, and ownership across real processes."""
