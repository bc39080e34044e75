"""Finance and Operations, as a part of a client."""

from typing import Generic, TypeVar

from orgstead.client.finops.connector import Connector
from orgstead.client.finops.entities import Entities
from orgstead.client.finops.packages import Packages
from orgstead.client.methods import Bound
from orgstead.client.session import Session

__all__ = ["FinOps"]

D = TypeVar("D")


class FinOps(Bound[D], Generic[D]):
    """Finance and Operations: the same on Orgstead and at an address of the service.

    The service says nobody who signs in for it: give the credential a ``tenant_id`` there.
    """

    connector: Connector[D]
    """Files of recurring data jobs: push, watch, pull."""

    packages: Packages[D]
    """Data packages: import, export, what became of them."""

    entities: Entities[D]
    """Rows of data entities."""

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self.connector = Connector(driver, session)
        self.packages = Packages(driver, session)
        self.entities = Entities(driver, session)
