"""How much one query may ask for; everything above is a ``QueryTooComplex`` fault.

Sources, below https://learn.microsoft.com/power-apps/developer/data-platform/: the length of a URL,
webapi/compose-http-requests-handle-errors#maximum-url-length; 15 expands, webapi/query/join-tables; 500
conditions, fetchxml/filter-rows#condition-limits. The others are ours: they keep the recursion and the SQL
statement within bounds.
"""

__all__ = [
    "MAX_BATCH_QUERY_CHARS", "MAX_CONDITIONS", "MAX_DEPTH", "MAX_DIGITS", "MAX_EXPANDS", "MAX_EXPONENT",
    "MAX_IN_VALUES", "MAX_NAMES", "MAX_QUERY_CHARS",
]  # fmt: skip

MAX_QUERY_CHARS = 32_768
MAX_BATCH_QUERY_CHARS = 65_536
MAX_DEPTH = 100
MAX_CONDITIONS = 500
MAX_IN_VALUES = 2_000
MAX_EXPANDS = 15
# Names in one $select, $orderby or groupby.
MAX_NAMES = 2_000
# Digits and decimal exponent of a number literal: more than any column holds, few enough to compute with.
MAX_DIGITS = 60
MAX_EXPONENT = 308
