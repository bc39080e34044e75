"""Which SQL is understood: the parser knows much more of it, and what is not understood is refused by name.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/sql
"""

from sqlglot import exp

from orgstead.errors import Fault, fault

__all__ = ["COMPARISONS", "check", "unsupported"]

# Each comparison and its opposite.
COMPARISONS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.EQ: ("eq", "ne"),
    exp.NEQ: ("ne", "eq"),
    exp.GT: ("gt", "le"),
    exp.GTE: ("ge", "lt"),
    exp.LT: ("lt", "ge"),
    exp.LTE: ("le", "gt"),
}

# What each kind of node may say.
_SAID: dict[type[exp.Expr], frozenset[str]] = {
    exp.Column: frozenset({"this", "table"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.In: frozenset({"this", "expressions", "negate"}),
    exp.Between: frozenset({"this", "low", "high", "negate"}),
    exp.Is: frozenset({"this", "expression", "negate"}),
    exp.Count: frozenset({"this", "big_int"}),
    exp.Join: frozenset({"this", "side", "kind", "on"}),
    exp.Table: frozenset({"this", "alias", "db"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Group: frozenset({"expressions"}),
    exp.Limit: frozenset({"expression"}),
    exp.Fetch: frozenset({"count", "direction", "limit_options"}),
    exp.Offset: frozenset({"expression"}),
}
_TWO_SIDES = frozenset({"this", "expression"})


def check(node: exp.Expr) -> None:
    """Refuse what a node says beyond this subset."""
    said = _SAID.get(type(node), _TWO_SIDES if type(node) in COMPARISONS else None)
    for name, part in node.args.items():
        if said is not None and part and name not in said:
            raise unsupported(f"{name.replace('_', ' ').upper()} in {node.sql(dialect='tsql')}")


def unsupported(what: str) -> Fault:
    """The fault that names what is not understood."""
    return fault("ODataUnsupported", feature=f"SQL: {what[:200]}")
