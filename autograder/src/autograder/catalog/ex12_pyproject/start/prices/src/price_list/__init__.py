"""What everything costs."""

import json
from importlib.resources import files


def price(name):
    """Give a price in cents."""
    return json.loads(files(__name__).joinpath("prices.json").read_text())[name]
