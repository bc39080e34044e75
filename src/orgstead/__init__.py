"""Orgstead: an organisation of your own that speaks the Dynamics 365 protocols."""

__all__ = ["__version__"]

__version__ = "0.1.0"
