"""What the core needs of the world, as protocols only."""
