"""Exercise 02: packages."""
