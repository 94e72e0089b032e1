"""What human raters said: records of a panel, and the measures that read them."""
