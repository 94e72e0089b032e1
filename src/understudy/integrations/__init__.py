"""Thin adapters to the tools that users already have, one file each: simulated users in their loops, corpora in their
formats, a pytest plugin and traces.

Each imports the tool inside the function that needs it. What they share, and what an adapter of your own would stand
on, is in `understudy.integrations.people`.
"""
