"""Benchmarks: the figures of the README, on corpora that stay outside the repository."""
