"""The shapes of what goes over HTTP, for the OpenAPI document and its readers."""
