"""Tokens of a segment query to its expression: sets of profiles, ways between them, what is read of them."""

from dataclasses import replace
from functools import lru_cache

from orgstead.errors import fault
from orgstead.languages.segments.conditions import Conditions
from orgstead.languages.segments.lexer import Token, tokens, wrong
from orgstead.model.query import Order
from orgstead.model.segments import (
    Expression,
    Filtered,
    Members,
    Profile,
    Selection,
    SetOperation,
    Traversed,
)

__all__ = ["read_segment_query"]

SETS = {"UNION": "union", "INTERSECT": "intersect", "EXCEPT": "except", "MINUS": "except"}
# What the published language has and organisations without interactions, or with one audience, do not.
UNSUPPORTED = frozenset({"INTERACTION", "HAVING", "RELATE", "RELATEOPTIONAL"})
MAX_DEPTH = 50
MAX_STEPS = 100
MAX_NUMBER = 10**9


@lru_cache(maxsize=512)
def read_segment_query(text: str) -> Selection:
    """The expression of a segment query and what is read of it.

    Raises InvalidSegmentQuery with the place of what cannot be read, NotSupported for INTERACTION, HAVING, RELATE.
    """
    return _Parser(tokens(text)).whole()


class _Parser(Conditions):
    """Reads one query."""

    def __init__(self, found: list[Token]) -> None:
        super().__init__(found)
        self.steps = 0

    def whole(self) -> Selection:
        selection = Selection(of=self.sets(0))
        while self.take("."):
            selection = self.read_of(selection)
        if self.next.kind != "end":
            raise self.unexpected()
        return selection

    # -- sets ------------------------------------------------------------------------------------------------------
    def sets(self, depth: int) -> Expression:
        """Sets joined by UNION, INTERSECT and EXCEPT, from left to right."""
        if depth > MAX_DEPTH:
            raise wrong(self.next.at, f"a query is at most {MAX_DEPTH} levels deep")
        left = self.one(depth)
        while self.next.kind == "name" and self.next.text.upper() in SETS:
            operator = SETS[self.advance().text.upper()]
            left = SetOperation(operator, left, self.one(depth))  # type: ignore[arg-type]
        return left

    def one(self, depth: int) -> Expression:
        """A set in parentheses, a profile or a segment, and the steps that follow it."""
        token = self.advance()
        if token.says("("):
            found = self.sets(depth + 1)
            self.expect(")")
        elif token.says("PROFILE"):
            found = Profile(*self.names(2))
        elif token.says("SEGMENT"):
            found = Members(self.names(1)[0])
        elif token.kind == "name" and token.text.upper() in UNSUPPORTED:
            raise fault("NotSupported", feature=f"{token.text.upper()} in a segment query")
        else:
            raise self.unexpected(token)
        while self.next.says(".") and self.step_follows():
            self.advance()
            found = self.step(found, depth)
        return found

    def step_follows(self) -> bool:
        """Whether what comes after the dot belongs to the set, not to what is read of the whole."""
        word = self.peek(1)
        return word.kind != "name" or word.text.upper() not in ("ORDERBY", "SKIP", "TAKE", "SELECT")

    def step(self, source: Expression, depth: int) -> Expression:
        token = self.advance()
        word = token.text.upper() if token.kind == "name" else ""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise wrong(token.at, f"a query has at most {MAX_STEPS} steps")
        if word == "FILTER":
            return Filtered(source, self.in_parentheses())
        if word == "TRAVERSE":
            return self.traverse(source)
        if word == "DISTINCT":
            self.expect("(")
            self.expect(")")
            return source
        if word in SETS:
            self.expect("(")
            other = self.named_set(depth)
            self.expect(")")
            return SetOperation(SETS[word], source, other)  # type: ignore[arg-type]
        if word in UNSUPPORTED:
            raise fault("NotSupported", feature=f"{word} in a segment query")
        raise self.unexpected(token)

    def named_set(self, depth: int) -> Expression:
        """A set as an argument, where a segment may be given by its bare name."""
        if self.next.kind == "name" and self.peek(1).says(")"):
            return Members(self.advance().text)
        return self.sets(depth + 1)

    def traverse(self, source: Expression) -> Expression:
        self.expect("(")
        relationship = self.identifier()
        alias, where = None, None
        while self.take(","):
            if self.next.says("FILTER") and self.peek(1).says("("):
                self.advance()
                where = self.in_parentheses()
                break
            alias = self.identifier()
        self.expect(")")
        found: Expression = Traversed(source, relationship, alias)
        return found if where is None else Filtered(found, where)

    def names(self, most: int) -> list[str]:
        self.expect("(")
        found = [self.identifier()]
        while len(found) < most and self.take(","):
            found.append(self.identifier())
        self.expect(")")
        return found

    # -- what is read ----------------------------------------------------------------------------------------------
    def read_of(self, selection: Selection) -> Selection:
        token = self.advance()
        word = token.text.upper() if token.kind == "name" else ""
        self.expect("(")
        if word == "ORDERBY":
            orders = [self.order()]
            while self.take(","):
                orders.append(self.order())
            selection = replace(selection, order=(*selection.order, *orders))
        elif word == "SKIP":
            selection = replace(selection, skip=self.whole_number())
        elif word == "TAKE":
            selection = replace(selection, take=self.whole_number())
        elif word == "SELECT":
            columns = [self.column().name]
            while self.take(","):
                columns.append(self.column().name)
            selection = replace(selection, columns=tuple(columns))
        else:
            raise self.unexpected(token)
        self.expect(")")
        return selection

    def order(self) -> Order:
        field = self.column()
        descending = self.take("DESC")
        if not descending:
            self.take("ASC")
        return Order(field, descending)

    def whole_number(self) -> int:
        token = self.advance()
        if token.kind != "number" or not token.text.isdigit() or int(token.text) > MAX_NUMBER:
            raise self.unexpected(token)
        return int(token.text)
