"""Data entities of Finance and Operations over OData: ``/data`` and ``/metadata``."""
