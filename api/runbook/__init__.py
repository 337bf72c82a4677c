"""The paper twin of a plan: everything that a person needs where no screen works."""
