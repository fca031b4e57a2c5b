"""Exercise 07: pip and its resolver."""
