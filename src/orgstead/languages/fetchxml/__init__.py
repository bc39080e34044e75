"""FetchXML to queries.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/overview
"""

from orgstead.languages.fetchxml.parser import parse_fetchxml

__all__ = ["parse_fetchxml"]
