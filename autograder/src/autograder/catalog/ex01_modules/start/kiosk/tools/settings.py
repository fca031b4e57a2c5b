"""Settings for trying things out."""

GREETING = "TEST TEST please ignore"
