"""Training simulated users: on what people said, then by what their own conversations earn. Needs the extra `train`."""
