"""Text that a spreadsheet would take for a formula, and how it is kept from that.

A delimited file says nothing of types, so a spreadsheet runs what begins like a formula. Such text gets an apostrophe
before it when it is written, and loses it again when it is read, so that nothing changes on the way. Numbers, and
what consists of the characters of telephone numbers, are left alone. Data management itself guards nothing.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import re

__all__ = ["guarded", "unguarded"]

# The apostrophes that were there before have to be told from the one that is added.
_DANGEROUS = re.compile(r"'*(?:[=@\t\r]|[+-](?![\d\s().,/-]*\Z))")
_GUARDED = re.compile(r"'+(?:[=@\t\r]|[+-](?![\d\s().,/-]*\Z))")


def guarded(text: str) -> str:
    """The text as it is written."""
    return f"'{text}" if text[:1] in "'=@\t\r+-" and _DANGEROUS.match(text) else text


def unguarded(text: str) -> str:
    """The text as it was before ``guarded``."""
    return text[1:] if text[:1] == "'" and _GUARDED.match(text) else text
