"""The `neural` engine: a small decoder of user turns, trained from scratch on a corpus. Needs the extra `train`."""
