"""Count what is on the shelves and in the storeroom."""
