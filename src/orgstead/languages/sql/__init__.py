"""SQL to queries: the ``sql`` option of the Web API."""

from orgstead.languages.sql.select import parse_sql

__all__ = ["parse_sql"]
