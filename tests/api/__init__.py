"""The REST API, the pages and the service, asked as their users ask them."""
