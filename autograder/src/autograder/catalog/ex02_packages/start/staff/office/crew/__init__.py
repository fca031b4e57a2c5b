"""Everything about the people who work here."""
