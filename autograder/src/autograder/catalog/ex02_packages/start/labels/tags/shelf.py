"""Labels that say where something belongs."""

from dataclasses import dataclass


@dataclass
class ShelfLabel:
    """A name and a place on the shelves."""

    name: str
    place: str

    def text(self):
        return f"{self.name} [{self.place}]"
