"""A connection as units of work use it: prepared statements by their text, failures as faults.

It speaks to libpq directly, which on a point read takes half of the processor time that a cursor of psycopg takes and
lets other threads run meanwhile. Rows come as text through psycopg's own loaders.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from typing import Any

import psycopg
from psycopg.abc import PQGen  # noqa: F401
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader

from orgstead.errors import Fault, fault
from orgstead.model.schema import Table
from orgstead.store.compile import short
from orgstead.store.ddl import key_index

__all__ = ["Connection", "Session"]
