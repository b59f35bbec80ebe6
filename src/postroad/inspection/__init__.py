"""Reading the books: how a region is, whether it balances, and one event's story."""
