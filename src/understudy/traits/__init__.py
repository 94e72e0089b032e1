"""Hidden cargo: who had a hand in a corpus, and what a model trained on it takes on besides."""
