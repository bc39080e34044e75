"""Messages that change definitions: tables, columns, relationships, keys, choices."""

from orgstead.engine.handlers.metadata import choices, columns, keys, options, publish, relationships, tables

__all__ = ["choices", "columns", "keys", "options", "publish", "relationships", "tables"]
