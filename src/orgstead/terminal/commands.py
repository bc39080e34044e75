"""All commands of the terminal: importing their modules hangs them on their groups."""

from orgstead.terminal import auth as _auth
from orgstead.terminal import transfer as _transfer
from orgstead.terminal.collection import collection
from orgstead.terminal.groups import api, auth, data, tables
from orgstead.terminal.mirror import mirror_

__all__ = ["COMMANDS"]

_HUNG = (_auth, _transfer)
COMMANDS = (auth, data, api, tables, mirror_, collection)
