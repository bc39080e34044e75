"""The live server for whoever means it harm."""

from tests.live import Live, live, trusted

__all__ = ["Live", "live", "trusted"]
