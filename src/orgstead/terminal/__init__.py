"""The command line against any Dynamics 365 or Orgstead: profiles, rows, tables, actions and functions.

It stands on the client alone and works in the bare distribution. The commands are in ``commands``; a command hangs
itself on a group of ``groups``, takes its connection from ``connect`` and prints by ``output``.
"""
