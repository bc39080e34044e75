"""Definitions at rest."""

import pytest

from orgstead.errors import Fault
from orgstead.store.saved import VERSION, read_schema


def test_an_organisation_of_a_newer_version_is_refused() -> None:
    with pytest.raises(Fault) as caught:
        read_schema([(VERSION, VERSION, "7"), ("hologram", "x", "{}")])
    assert caught.value.name == "StoreFailure"
    assert "newer version" in (caught.value.hint or "")
