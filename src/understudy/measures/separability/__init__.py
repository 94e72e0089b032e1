"""Are simulated users as different from each other, and as like themselves, as real ones? One measure a file."""
