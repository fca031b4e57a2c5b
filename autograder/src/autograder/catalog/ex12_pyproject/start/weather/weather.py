"""Says what to put in front of the door today."""

from pathlib import Path


def advice():
    """Read today.txt (a number of degrees), write weather.txt, and give the text that was written."""
    degrees = int(Path("today.txt").read_text())
    goods = "ice cream" if degrees > 20 else "umbrellas"
    text = f"It has {degrees} degrees: put the {goods} in front of the door."
    Path("weather.txt").write_text(text + "\n")
    return text
