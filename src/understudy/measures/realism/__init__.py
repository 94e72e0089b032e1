"""Do they look real? One measure a file."""
