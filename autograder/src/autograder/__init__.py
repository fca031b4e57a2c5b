"""Learn Python packaging by doing it: exercises, checks, sandbox, index and their faces."""

__version__ = "0.1.0"
