"""The price tags' layout."""


def tag(name, cents):
    """Give the text of one tag."""
    return f"{name:<12}{cents / 100:>6.2f}"
