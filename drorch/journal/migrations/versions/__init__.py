"""One module a version; nothing here changes once it was released."""
