"""What stands behind the curtain."""


def boxes(pieces, a_box):
    """Say how many boxes are needed."""
    return -(-pieces // a_box)
