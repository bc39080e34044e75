"""All commands of the terminal: importing their modules hangs them on their groups."""

from orgstead.terminal import api as _api
from orgstead.terminal import auth as _auth
from orgstead.terminal import (
    auth_create,
    data_files,
    data_read,
    data_write,
    finops_files,
    finops_trigger,
    tables_write,
)
from orgstead.terminal import tables as _tables
from orgstead.terminal import transfer as _transfer
from orgstead.terminal.collection import collection
from orgstead.terminal.groups import api, auth, data, finops, tables
from orgstead.terminal.mirror import mirror_

__all__ = ["COMMANDS"]

# Imported for what they hang up.
HUNG = (
    _api, _auth, _tables, _transfer, auth_create, data_files, data_read, data_write, finops_files, finops_trigger,
    tables_write,
)  # fmt: skip
# Where Microsoft's command line has it, too.
data.add_command(tables.commands["describe"])
COMMANDS = (auth, data, api, tables, finops, mirror_, collection)
