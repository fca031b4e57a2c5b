"""Exercise 06: virtual environments from the inside."""
