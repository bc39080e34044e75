"""The one table of faults and every place that raises from it agree with each other and with what is published."""

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import orgstead
from orgstead.errors import Fault, FaultKind, fault, fault_kinds

SOURCE = Path(orgstead.__file__).parent
# What ``fault`` takes for itself; everything else fills the text.
OWN_ARGUMENTS = {"hint", "details"}
# https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#service-protection-api-limit-errors-returned
THROTTLING_CODES = {0x80072321, 0x80072322, 0x80072326}
KINDS = sorted(fault_kinds().values(), key=lambda kind: kind.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of ``fault``; ``names`` are the rows it may ask for, None where they cannot be read."""

    where: str
    names: frozenset[str] | None
    values: frozenset[str]


def literal_names(node: ast.expr) -> frozenset[str] | None:
    match node:
        case ast.Constant(value=str(name)):
            return frozenset({name})
        case ast.IfExp(body=yes, orelse=no):
            either, other = literal_names(yes), literal_names(no)
            return None if either is None or other is None else either | other
        case _:
            return None


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def calls() -> Iterator[Call]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and called(node) == "fault":
                unpacked = any(keyword.arg is None for keyword in node.keywords)
                yield Call(
                    where=f"{path.relative_to(SOURCE)}:{node.lineno}",
                    names=literal_names(node.args[0]) if len(node.args) == 1 and not unpacked else None,
                    values=frozenset(k.arg for k in node.keywords if k.arg) - OWN_ARGUMENTS,
                )


CALLS = list(calls())
NAMED = [(call, name) for call in CALLS for name in sorted(call.names or ())]


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def filled(name: str, value: str) -> Fault:
    values: dict[str, Any] = dict.fromkeys(placeholders(fault_kinds()[name].text), value)
    return fault(name, **values)


def test_every_call_names_its_row_where_it_can_be_read() -> None:
    assert len(CALLS) > 100
    assert [call.where for call in CALLS if call.names is None] == []


def test_every_name_raised_is_a_row_of_the_table() -> None:
    unknown = [f"{call.where}: {name}" for call, name in NAMED if name not in fault_kinds()]
    assert unknown == []


def test_every_row_of_the_table_is_raised_somewhere() -> None:
    assert sorted(set(fault_kinds()) - {name for _, name in NAMED}) == []


def test_every_call_gives_exactly_the_values_that_the_text_wants() -> None:
    wrong = [
        f"{call.where}: {name} wants {sorted(wanted)}, gets {sorted(call.values)}"
        for call, name in NAMED
        if name in fault_kinds() and call.values != (wanted := placeholders(fault_kinds()[name].text))
    ]
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
class TestRow:
    def test_the_code_is_a_failure_of_32_bits(self, kind: FaultKind) -> None:
        assert type(kind.code) is int
        assert 0x80000000 <= kind.code <= 0xFFFFFFFF

    def test_the_status_is_a_failure(self, kind: FaultKind) -> None:
        assert type(kind.status) is int
        assert 400 <= kind.status <= 599

    def test_the_source_is_an_address_of_a_page(self, kind: FaultKind) -> None:
        assert re.fullmatch(r"https://[a-z0-9.-]+/[!-~]+", kind.source)

    def test_the_text_is_one_clean_line(self, kind: FaultKind) -> None:
        assert kind.text
        assert kind.text == kind.text.strip()
        assert kind.text.isprintable()
        assert "  " not in kind.text

    def test_the_text_shows_nothing_of_an_implementation(self, kind: FaultKind) -> None:
        # Dataverse lets types, stack traces and links of its own implementation through; clients read none of them.
        internals = r"\bException\b|InnerException|--->|\bat (System|Microsoft)\.|go\.microsoft\.com|fwlink"
        assert not re.search(internals, kind.text)

    def test_the_placeholders_are_plain_names(self, kind: FaultKind) -> None:
        for _, field, conversion, conversion_type in string.Formatter().parse(kind.text):
            assert field is None or (field.isidentifier() and not conversion and conversion_type is None)

    def test_the_text_can_be_filled(self, kind: FaultKind) -> None:
        error = filled(kind.name, "{x}")
        assert error.kind is kind
        assert placeholders(error.message) <= {"x"}

    def test_the_code_is_printed_in_both_ways(self, kind: FaultKind) -> None:
        error = filled(kind.name, "")
        assert int(error.code, 16) == kind.code
        assert re.fullmatch(r"0x[0-9a-f]{8}", error.code)
        assert error.signed_code < 0
        assert error.signed_code & 0xFFFFFFFF == kind.code

    def test_throttling_codes_stand_for_throttling_alone(self, kind: FaultKind) -> None:
        assert (kind.code in THROTTLING_CODES) == (kind.status == 429)


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("ObjectDoesNotExist", 0x80040217, 404),
        ("RecordNotFoundByKey", 0x80060891, 404),
        ("ConcurrencyMismatch", 0x80060882, 412),
        ("RecordExists", 0x80040237, 412),
        ("DuplicateRecord", 0x80040237, 412),
        ("DuplicateKey", 0x80060892, 412),
        ("PrivilegeDenied", 0x80040220, 403),
        ("UserNotFound", 0x80072560, 403),
        ("Unauthenticated", 0x80044302, 401),
        ("ODataSyntax", 0x80060888, 400),
        ("InvalidPayload", 0x80048D19, 400),
        ("ResourceNotFound", 0x8006088A, 404),
        ("ChoiceOutOfRange", 0x8004431A, 400),
        ("StringTooLong", 0x80044331, 400),
        ("InvalidStatePair", 0x80048408, 400),
        ("VersionStampExpired", 0x80044352, 400),
        ("PayloadTooLarge", 0x8004418A, 413),
        ("NotSupported", 0x80040219, 501),
        ("RequestLimitExceeded", 0x80072322, 429),
        ("ExecutionTimeExceeded", 0x80072321, 429),
        ("ConcurrencyLimitExceeded", 0x80072326, 429),
    ],
)
def test_a_fault_that_clients_tell_apart_has_its_published_code(name: str, code: int, status: int) -> None:
    kind = fault_kinds()[name]
    assert (f"0x{kind.code:08x}", kind.status) == (f"0x{code:08x}", status)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "ObjectDoesNotExist",
            {"table": "account", "id": "1"},
            "Entity 'account' With Id = 1 Does Not Exist",
        ),
        (
            "RecordNotFoundByKey",
            {"table": "account"},
            "A record with the specified key values does not exist in account entity",
        ),
        (
            "ConcurrencyMismatch",
            {},
            "The version of the existing record doesn't match the RowVersion property provided.",
        ),
        ("RecordExists", {}, "A record with matching key values already exists."),
        ("ResourceNotFound", {"segment": "Account"}, "Resource not found for the segment 'Account'."),
        (
            "PropertyNotFound",
            {"name": "Name", "type": "Microsoft.Dynamics.CRM.account"},
            "Could not find a property named 'Name' on type 'Microsoft.Dynamics.CRM.account'.",
        ),
    ],
)
def test_a_message_that_clients_match_reads_as_published(
    name: str, values: dict[str, Any], message: str
) -> None:
    assert fault(name, **values).message == message


def test_a_missing_value_of_a_text_is_a_bug_that_shows() -> None:
    with pytest.raises(KeyError):
        fault("ObjectDoesNotExist", table="account")


def test_a_name_that_is_no_row_is_a_bug_that_shows() -> None:
    with pytest.raises(KeyError):
        fault("NoSuchFault")
