"""The event journal: tables, codec and group commit over SQLite."""
