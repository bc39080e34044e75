"""Solutions as files: taken out, and taken in."""

from orgstead.engine.handlers.solutions import exporting, importing

__all__ = ["exporting", "importing"]
