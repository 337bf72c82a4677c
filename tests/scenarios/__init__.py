"""Small stories, each in a folder: a plan, a world with what goes wrong, the expected journal."""
