"""Write into the register what was sold."""

from warehouse import conn


def sell(thing):
    """Note down one thing sold."""
    conn.sold.append(thing)
