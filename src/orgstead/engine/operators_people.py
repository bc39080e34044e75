"""Operators about who asks, and about hierarchies of rows."""

from collections.abc import Callable

from orgstead.engine.binding import (
    GUIDS,
    Binding,
    Rule,
    check_arity,
    column_operand,
    incompatible,
    read_value,
)
from orgstead.engine.columns import hidden
from orgstead.engine.context import Caller
from orgstead.errors import fault
from orgstead.model.plan import AnyOf, Descends, OneOf, Test, Verdict
from orgstead.model.query import Condition

__all__ = ["hierarchy", "me", "own_user", "user_language"]


def me(pick: Callable[[Caller], tuple[str, ...]], *, teams: bool = False, managed: bool = False) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        check_arity(condition, 0)
        binding.dynamic()
        operand, caller = column_operand(binding, condition), binding.caller
        if operand.column.type not in GUIDS:
            raise incompatible(operand.column, condition.operator)
        ids = pick(caller) + (caller.teams if teams else ())
        found: Verdict = OneOf(operand, binding.param(ids, operand.column, many=True))
        if managed:
            users = binding.schema.tables["systemuser"]
            root = binding.param(caller.user_id, users.columns[users.primary_id])
            found = AnyOf(
                (
                    found,
                    Descends(operand, users, users.columns["parentsystemuserid"], root, include_self=True),
                )
            )
        return found

    return rule


def own_user(caller: Caller) -> tuple[str, ...]:
    return (caller.user_id,)


def user_language(binding: Binding, condition: Condition) -> Verdict:
    check_arity(condition, 0)
    return Test("eq", binding.operand(condition.field), binding.param(1033))


def hierarchy(*, include_self: bool, up: bool) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        check_arity(condition, 1)
        operand = column_operand(binding, condition)
        column, value = operand.column, read_value(operand.column, condition.values[0])
        for rel in binding.schema.one_to_many.values():
            if not rel.hierarchical or rel.referencing != rel.referenced:
                continue
            table = binding.schema.tables[rel.referenced]
            if column.name == table.primary_id or column.targets == (table.logical_name,):
                parent = table.columns[rel.referencing_attribute]
                if hidden(binding.caller, table, parent.name):
                    # Without the column that makes it, there is no hierarchy.
                    return AnyOf(())
                return Descends(
                    operand, table, parent, binding.param(value, column), include_self=include_self, up=up
                )
        raise fault("NoHierarchy", column=column.name)

    return rule
