"""The command line, as an operator or a script meets it."""
