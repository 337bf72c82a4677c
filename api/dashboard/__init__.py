"""Pages for people: rendered on the server, kept fresh by one small script, fine without it."""
