"""The ledger of claims: what the field says, what would refute it, and what its study found, every time it was run."""
