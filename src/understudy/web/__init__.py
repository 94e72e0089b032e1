"""HTTP: simulated users behind an OpenAI-compatible API, and the raters' panel. Needs the extra `web`."""
