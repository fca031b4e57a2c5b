"""Exercise 01: modules and the machinery of import."""
