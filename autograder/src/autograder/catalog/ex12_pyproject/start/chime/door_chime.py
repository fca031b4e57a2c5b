"""The chime at the door."""

from importlib.metadata import PackageNotFoundError, version

from leftpad import pad


def main():
    """Ring."""
    try:
        known = version("door-chime")
    except PackageNotFoundError:
        known = "(never installed)"
    print(pad("ding", 8), "dong! -- door-chime", known)


def test():
    """Ring softly."""
    print(pad("ding", 8))
