"""The query functions ``Microsoft.Dynamics.CRM.*`` and the condition operators that they stand for.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/queryfunctions
(each function has a page with its parameters); operators:
https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/operators
"""

from typing import Literal

__all__ = ["FUNCTIONS", "FUNCTION_OF_OPERATOR", "PARAMETERS", "REFUSED_FUNCTIONS", "TEXT_FUNCTIONS", "Shape"]

# What follows PropertyName: nothing, a text, one or two whole numbers, a list of texts or exactly two.
Shape = Literal["none", "text", "number", "two numbers", "texts", "two texts"]

PARAMETERS: dict[Shape, tuple[str, ...]] = {
    "none": (),
    "text": ("PropertyValue",),
    "number": ("PropertyValue",),
    "two numbers": ("PropertyValue1", "PropertyValue2"),
    "texts": ("PropertyValues",),
    "two texts": ("PropertyValues",),
}

FUNCTIONS: dict[str, tuple[str, Shape]] = {
    "Above": ("above", "text"),
    "AboveOrEqual": ("eq-or-above", "text"),
    "Between": ("between", "two texts"),
    "ContainValues": ("contain-values", "texts"),
    "Contains": ("contains", "text"),
    "DoesNotContainValues": ("not-contain-values", "texts"),
    "EqualBusinessId": ("eq-businessid", "none"),
    "EqualRoleBusinessId": ("eq-rolebusinessid", "none"),
    "EqualUserId": ("eq-userid", "none"),
    "EqualUserLanguage": ("eq-userlanguage", "none"),
    "EqualUserOrUserHierarchy": ("eq-useroruserhierarchy", "none"),
    "EqualUserOrUserHierarchyAndTeams": ("eq-useroruserhierarchyandteams", "none"),
    "EqualUserOrUserTeams": ("eq-useroruserteams", "none"),
    "EqualUserTeams": ("eq-userteams", "none"),
    "In": ("in", "texts"),
    "InFiscalPeriod": ("in-fiscal-period", "number"),
    "InFiscalPeriodAndYear": ("in-fiscal-period-and-year", "two numbers"),
    "InFiscalYear": ("in-fiscal-year", "number"),
    "InOrAfterFiscalPeriodAndYear": ("in-or-after-fiscal-period-and-year", "two numbers"),
    "InOrBeforeFiscalPeriodAndYear": ("in-or-before-fiscal-period-and-year", "two numbers"),
    "Last7Days": ("last-seven-days", "none"),
    "LastFiscalPeriod": ("last-fiscal-period", "none"),
    "LastFiscalYear": ("last-fiscal-year", "none"),
    "LastMonth": ("last-month", "none"),
    "LastWeek": ("last-week", "none"),
    "LastXDays": ("last-x-days", "number"),
    "LastXFiscalPeriods": ("last-x-fiscal-periods", "number"),
    "LastXFiscalYears": ("last-x-fiscal-years", "number"),
    "LastXHours": ("last-x-hours", "number"),
    "LastXMonths": ("last-x-months", "number"),
    "LastXWeeks": ("last-x-weeks", "number"),
    "LastXYears": ("last-x-years", "number"),
    "LastYear": ("last-year", "none"),
    "Next7Days": ("next-seven-days", "none"),
    "NextFiscalPeriod": ("next-fiscal-period", "none"),
    "NextFiscalYear": ("next-fiscal-year", "none"),
    "NextMonth": ("next-month", "none"),
    "NextWeek": ("next-week", "none"),
    "NextXDays": ("next-x-days", "number"),
    "NextXFiscalPeriods": ("next-x-fiscal-periods", "number"),
    "NextXFiscalYears": ("next-x-fiscal-years", "number"),
    "NextXHours": ("next-x-hours", "number"),
    "NextXMonths": ("next-x-months", "number"),
    "NextXWeeks": ("next-x-weeks", "number"),
    "NextXYears": ("next-x-years", "number"),
    "NextYear": ("next-year", "none"),
    "NotBetween": ("not-between", "two texts"),
    "NotEqualBusinessId": ("ne-businessid", "none"),
    "NotEqualUserId": ("ne-userid", "none"),
    "NotIn": ("not-in", "texts"),
    "NotUnder": ("not-under", "text"),
    "OlderThanXDays": ("olderthan-x-days", "number"),
    "OlderThanXHours": ("olderthan-x-hours", "number"),
    "OlderThanXMinutes": ("olderthan-x-minutes", "number"),
    "OlderThanXMonths": ("olderthan-x-months", "number"),
    "OlderThanXWeeks": ("olderthan-x-weeks", "number"),
    "OlderThanXYears": ("olderthan-x-years", "number"),
    "On": ("on", "text"),
    "OnOrAfter": ("on-or-after", "text"),
    "OnOrBefore": ("on-or-before", "text"),
    "ThisFiscalPeriod": ("this-fiscal-period", "none"),
    "ThisFiscalYear": ("this-fiscal-year", "none"),
    "ThisMonth": ("this-month", "none"),
    "ThisWeek": ("this-week", "none"),
    "ThisYear": ("this-year", "none"),
    "Today": ("today", "none"),
    "Tomorrow": ("tomorrow", "none"),
    "Under": ("under", "text"),
    "UnderOrEqual": ("eq-or-under", "text"),
    "Yesterday": ("yesterday", "none"),
}

FUNCTION_OF_OPERATOR: dict[str, tuple[str, Shape]] = {
    operator: (name, shape) for name, (operator, shape) in FUNCTIONS.items()
}

TEXT_FUNCTIONS = {"contains": "contains", "startswith": "begins-with", "endswith": "ends-with"}

# OData's other functions, which Dataverse does not list among those that it supports:
# https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows#use-odata-query-functions
REFUSED_FUNCTIONS = frozenset(
    {
        "cast", "ceiling", "concat", "date", "day", "floor", "fractionalseconds", "geo.distance",
        "geo.intersects", "geo.length", "hour", "indexof", "isof", "length", "matchesPattern",
        "maxdatetime", "mindatetime", "minute", "month", "now", "round", "second", "substring",
        "substringof", "time", "tolower", "totaloffsetminutes", "totalseconds", "toupper", "trim", "year",
    }
)  # fmt: skip
