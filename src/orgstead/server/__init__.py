"""ASGI only: routes, limits, request ids, TLS, and a thin adapter per wire. No rules live here."""
