"""What can be won."""

PRIZES = ("a teapot", "a pound of sugar", "an umbrella")


def prize_for(ticket: int) -> str:
    """Say what a ticket wins; nobody leaves with nothing."""
    return PRIZES[ticket % len(PRIZES)]
