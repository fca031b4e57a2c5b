"""Exercise 14: publishing."""
