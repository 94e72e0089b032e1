"""What synthetic conversations give away about the people they were learned from."""
