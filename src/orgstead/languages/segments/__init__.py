"""The query language of marketing segments: text to a ``model.segments.Selection``, without a schema.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/segment-query-definition
"""

from orgstead.languages.segments.parser import read_segment_query

__all__ = ["read_segment_query"]
