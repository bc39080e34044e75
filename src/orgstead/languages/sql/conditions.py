"""The conditions of a WHERE or an ON to predicates, in the three-valued logic of SQL."""

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from orgstead.errors import fault
from orgstead.languages.sql.subset import COMPARISONS, unsupported
from orgstead.model.query import And, Condition, Field, Or, Predicate, Untyped

__all__ = ["Conditions"]

MAX_CONDITIONS = 500

_MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
FALSE = Or(())


class Conditions:
    """Reads the conditions of one statement; ``field`` finds the column that a name means.

    ``inside`` is the alias of the table whose own columns need none, in the ON of its join.
    """

    def __init__(self, field: Callable[[exp.Column, str | None], Field]) -> None:
        self.field = field
        self.conditions = 0

    def predicate(self, node: exp.Expr, negated: bool, inside: str | None = None) -> Predicate:
        """A condition, or what SQL means by NOT of it."""
        node = node.unnest()
        match node:
            case exp.Not():
                return self.predicate(node.this, not negated, inside)
            case exp.And() | exp.Or():
                items = tuple(self.predicate(each, negated, inside) for each in node.flatten())
                return And(items) if isinstance(node, exp.And) is not negated else Or(items)
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise fault("TooManyConditions")
        return self.condition(node, negated, inside)

    def condition(self, node: exp.Expr, negated: bool, inside: str | None) -> Predicate:
        """One comparison, of a column with literals or with a column."""
        if node.args.get("negate"):
            negated = not negated
        values: tuple[Any, ...]
        match node:
            case exp.Is() if isinstance(node.expression, exp.Null):
                return Condition(self.operand(node.this, node, inside), "not-null" if negated else "null")
            case exp.Like():
                operator, values = "like", (node.expression,)
            case exp.In():
                operator, values = "in", tuple(node.expressions)
            case exp.Between():
                operator, values = "between", (node.args["low"], node.args["high"])
            case _ if type(node) in COMPARISONS:
                return self.comparison(node, negated, inside)
            case _:
                raise unsupported(f"the condition {node.sql(dialect='tsql')}")
        subject = self.operand(node.this, node, inside)
        literals = tuple(_literal(value, node) for value in values)
        if None in literals and operator == "between" and negated:
            # Outside of a range is what is beyond one of its ends, whichever of them is known.
            low, high = literals
            ends = [Condition(subject, "lt", (low,))] if low is not None else []
            ends += [Condition(subject, "gt", (high,))] if high is not None else []
            return Or(tuple(ends))
        if None in literals:
            # Nothing compares with NULL; IN goes on with its other values.
            if operator != "in" or negated:
                return FALSE
            literals = tuple(value for value in literals if value is not None)
        return _known(subject, f"not-{operator}" if negated else operator, literals)

    def comparison(self, node: exp.Expr, negated: bool, inside: str | None) -> Predicate:
        """``=`` and its kin."""
        operator = COMPARISONS[type(node)][negated]
        left, right = node.this.unnest(), node.expression.unnest()
        if not isinstance(left, exp.Column):
            left, right, operator = right, left, _MIRRORED[operator]
        subject = self.operand(left, node, inside)
        if isinstance(right, exp.Column):
            other = self.field(right, inside)
            both = (
                Condition(subject, operator, (other,)),
                Condition(subject, "not-null"),
                Condition(other, "not-null"),
            )
            return And(both) if operator == "ne" else both[0]
        value = _literal(right, node)
        return FALSE if value is None else _known(subject, operator, (value,))

    def operand(self, node: exp.Expr, whole: exp.Expr, inside: str | None) -> Field:
        node = node.unnest()
        if not isinstance(node, exp.Column):
            raise unsupported(
                f"the condition {whole.sql(dialect='tsql')}: a column is compared with a literal"
            )
        return self.field(node, inside)


def _known(subject: Field, operator: str, values: tuple[Any, ...]) -> Predicate:
    """A condition that does not hold for a missing value, which negative operators elsewhere do."""
    found = Condition(subject, operator, values)
    if operator == "ne" or operator.startswith("not-"):
        return And((found, Condition(subject, "not-null")))
    return found


def _literal(node: exp.Expr, whole: exp.Expr) -> Untyped | None:
    """A literal, read by the column's type later on; None for NULL."""
    node = node.unnest()
    match node:
        case exp.Null():
            return None
        case exp.National():
            return Untyped(node.name)
        case exp.Literal():
            return Untyped(node.name)
        case exp.Neg() if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return Untyped(f"-{node.this.name}")
    raise unsupported(f"the condition {whole.sql(dialect='tsql')}: a column is compared with a literal")
