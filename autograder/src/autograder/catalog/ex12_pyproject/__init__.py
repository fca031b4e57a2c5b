"""Exercise 12: pyproject.toml."""
