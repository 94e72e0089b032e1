"""What stands between turns: does a reply depend on what was said, and does what was said have an effect?"""
