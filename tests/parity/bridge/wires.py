"""Which scenarios are heard over SOAP as well."""

from collections.abc import Mapping

from tests.parity.bridge.ledger import Why

__all__ = ["BOTH_WIRES", "ODATA_ALONE"]

BOTH_WIRES = frozenset({
    "test_parity_rows",
})  # fmt: skip

# Scenarios that send nothing that SOAP could say.
ODATA_ALONE: Mapping[str, Why] = {}
