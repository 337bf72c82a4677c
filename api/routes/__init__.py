"""The REST API and the pages: each module is one subject, each handler one call."""
