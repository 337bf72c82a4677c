"""What has to leave: messages to web hooks, written down with the cursor and sent at least once."""
