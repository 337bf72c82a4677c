"""Plan files in: a strict loader, the compiler to the domain model, lint, schema, examples."""
