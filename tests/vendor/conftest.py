"""The live server for clients that Microsoft and others wrote."""

from tests.live import Live, live, trusted

__all__ = ["Live", "live", "trusted"]
