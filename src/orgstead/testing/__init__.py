"""For whoever tests against an organisation: its admin plane as Python objects, a server for a session, commands."""
