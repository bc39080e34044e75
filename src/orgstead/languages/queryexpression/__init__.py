"""The SDK's QueryExpression and QueryByAttribute to queries, and back.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/queryexpression/overview
"""

from orgstead.languages.queryexpression.parser import parse_query_by_attribute, parse_query_expression
from orgstead.languages.queryexpression.printer import print_query_expression

__all__ = ["parse_query_by_attribute", "parse_query_expression", "print_query_expression"]
