"""FetchXML to queries and back.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/overview
"""

from orgstead.languages.fetchxml.parser import parse_fetchxml
from orgstead.languages.fetchxml.printer import print_fetchxml

__all__ = ["parse_fetchxml", "print_fetchxml"]
