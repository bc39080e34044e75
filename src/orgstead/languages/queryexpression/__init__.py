"""The SDK's QueryExpression to queries.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/queryexpression/overview
"""

from orgstead.languages.queryexpression.parser import parse_query_expression

__all__ = ["parse_query_expression"]
