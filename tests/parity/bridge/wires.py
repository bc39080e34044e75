"""Which scenarios are heard over SOAP as well."""

from collections.abc import Mapping

from tests.parity.bridge.ledger import Why

__all__ = ["BOTH_WIRES", "ODATA_ALONE"]

BOTH_WIRES = frozenset({
    f"test_parity_{name}"
    for name in (
        "rows", "tables", "queries", "fetchxml", "messages", "sales", "hierarchies", "secured_columns", "members",
        "changes", "custom_apis", "definitions", "security", "security_messages", "tracking", "promises", "edges",
        "files", "jobs", "languages", "columns", "step_rows", "organization",
    )
})  # fmt: skip

# Scenarios that send nothing that SOAP could say.
ODATA_ALONE: Mapping[str, Why] = {}
