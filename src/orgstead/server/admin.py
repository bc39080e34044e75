"""Health and the front page: what belongs to no imitated protocol, and is there for everybody."""

import asyncio
from collections.abc import Mapping
from html import escape

from orgstead.config import Config
from orgstead.engine.pipeline import Engine
from orgstead.identity.development import ADMIN_PASSWORD, CLIENT_ID, CLIENT_SECRET
from orgstead.identity.request import Answer

__all__ = ["Admin"]

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1b1f24}"
    "code,pre{font:14px/1.5 ui-monospace,monospace;background:#f3f4f6;border-radius:4px}"
    "code{padding:.1em .3em}pre{padding:1rem;overflow:auto}"
    "table{border-collapse:collapse}td{padding:.2rem 1rem .2rem 0;vertical-align:top}"
    "@media(prefers-color-scheme:dark){body{background:#15181c;color:#e6e8ea}code,pre{background:#23272d}}"
)


class Admin:
    """Answers what belongs to no imitated protocol."""

    def __init__(self, config: Config, engine: Engine) -> None:
        self._config = config
        self._engine = engine

    async def answer(self, method: str, path: str, headers: Mapping[str, str], origin: str) -> Answer | None:
        """The answer to a path of this plane; None for a path of somebody else's."""
        if path == "/healthz":
            return _text(200, "ok")
        if path == "/readyz":
            return await asyncio.to_thread(self.ready)
        if path == "/" and method in ("GET", "HEAD"):
            return self._front(origin)
        return None

    def ready(self) -> Answer:
        """Whether the organisation can be asked: 200 or 503."""
        try:
            version = self._engine.store.schema_version()
        except Exception:  # noqa: BLE001 - whatever it is, the database does not answer
            return _text(503, "the database does not answer")
        return _text(200, "ready") if version else _text(503, "the organisation is not there yet")

    def _front(self, origin: str) -> Answer:
        config = self._config
        rows = [
            ("Web API", f"{origin}/api/data/v9.2/"),
            ("Data entities", f"{origin}/data"),
            ("Authority", f"{origin}/{config.tenant_id}"),
        ]
        if config.dev:
            rows += [
                ("Client id", CLIENT_ID),
                ("Client secret", CLIENT_SECRET),
                ("Administrator", f"{config.admin_upn} / {ADMIN_PASSWORD}"),
            ]
        table = "".join(
            f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>" for name, value in rows
        )
        example = _EXAMPLE.format(origin=origin, tenant=config.tenant_id) if config.dev else ""
        body = (
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>Orgstead</title><style>{_STYLE}</style><h1>Orgstead</h1>"
            "<p>An organisation of your own that speaks the Dynamics 365 protocols.</p>"
            f"<table>{table}</table>{f'<pre>{escape(example)}</pre>' if example else ''}</html>"
        )
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
        headers = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
        )
        return Answer(status=200, headers=headers, body=body.encode())


_EXAMPLE = """\
TOKEN=$(curl -s {origin}/{tenant}/oauth2/v2.0/token \\
  -d grant_type=client_credentials -d client_id=0d365000-0000-4000-8000-0000000000c1 \\
  -d client_secret=orgstead-dev-secret -d scope={origin}/.default \\
  | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')
curl -s -H "Authorization: Bearer $TOKEN" \\
  '{origin}/api/data/v9.2/accounts?$select=name&$top=3'
"""


def _text(status: int, text: str) -> Answer:
    return Answer(status=status, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=text.encode())
