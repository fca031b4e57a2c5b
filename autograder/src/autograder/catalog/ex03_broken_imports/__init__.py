"""Exercise 03, When imports break."""
