"""Does a simulated user stay who it is: judges of lines, and the measures that ask them."""
