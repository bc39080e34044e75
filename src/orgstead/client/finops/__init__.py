"""The client's side of Finance and Operations."""

from orgstead.client.finops.connector import Connector, Dequeued, Pulled
from orgstead.client.finops.entities import Entities
from orgstead.client.finops.finops import FinOps
from orgstead.client.finops.packages import ExecutionError, Packages
from orgstead.client.finops.unpacking import unpack

__all__ = ["Connector", "Dequeued", "Entities", "ExecutionError", "FinOps", "Packages", "Pulled", "unpack"]
