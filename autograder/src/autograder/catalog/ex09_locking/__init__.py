"""Exercise 09: pinning and locking."""
