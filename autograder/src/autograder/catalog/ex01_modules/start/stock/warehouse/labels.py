"""Tell the shelf labels how much was sold."""

import conn


def count():
    """Count what was sold."""
    return len(conn.sold)
