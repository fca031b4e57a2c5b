"""What learners and strangers may try against the sandbox, as a table that is run: see `table.py`, and `__main__.py` for the command."""
