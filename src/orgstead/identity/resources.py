"""What a token is asked for: the v1 ``resource`` and the v2 ``scope``, read into one value.

https://learn.microsoft.com/entra/identity-platform/scopes-oidc
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orgstead.identity.errors import refuse

__all__ = ["PERMISSIONS", "WELL_KNOWN_RESOURCES", "Target", "canonical_url", "own_audiences", "read_target"]

OIDC_SCOPES = frozenset(("openid", "profile", "email", "offline_access"))

PERMISSIONS = frozenset(
    (
        "user_impersonation",
        "mcp.tools",
        "ax.fullaccess",
        "customservice.fullaccess",
        "odata.fullaccess",
    )
)
"""Delegated permissions of Dataverse and of Finance and Operations, in lower case."""

WELL_KNOWN_RESOURCES = (
    "00000007-0000-0000-c000-000000000000",
    "00000015-0000-0000-c000-000000000000",
    "https://dynamics.microsoft.com",
)
"""Dataverse and Finance and Operations by application id, and the name that connectors use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One resource and what is wanted of it.

    ``audience`` is spelt as the caller spelt it, since Entra puts that into ``aud``; ``permissions`` are
    the delegated ones (``.default`` stands for ``user_impersonation``); ``oidc`` the OpenID scopes.
    """

    audience: str
    permissions: tuple[str, ...]
    oidc: frozenset[str]
    default: bool

    @property
    def scope_text(self) -> str:
        """The ``scope`` member of a v2 answer."""
        # Not normalised: MSAL looks for the scope as it asked for it, "https://host//name" included.
        names = [*self.permissions, ".default"] if self.default else self.permissions
        return " ".join(
            [*(f"{self.audience}/{name}" for name in names), *sorted(self.oidc - {"offline_access"})]
        )


def canonical_url(url: str) -> str:
    """The form in which resources are compared: lower case, no default port, no slash at the end."""
    text = url.strip().lower().removesuffix("/")
    if text.startswith("https://"):
        return text.removesuffix(":443")
    if text.startswith("http://"):
        return text.removesuffix(":80")
    return text


def own_audiences(urls: Collection[str]) -> frozenset[str]:
    """What ``BearerVerifier.verify`` compares audiences with: these URLs and the well-known resources."""
    return frozenset(canonical_url(url) for url in (*urls, *WELL_KNOWN_RESOURCES))


def read_target(
    params: Mapping[str, str],
    *,
    version: int,
    home: str,
    own: frozenset[str],
    tenant: str,
    app_only: bool = False,
) -> Target:
    """Read ``resource`` (version 1) or ``scope`` (version 2) of a token or authorization request.

    ``home`` is the resource that is meant where none is named (only OpenID scopes); ``own`` holds the
    resources that exist, in canonical form. Raises OAuthError for anything else.
    """
    resource = params.get("resource", "")
    scope = params.get("scope", "")
    if version == 1:
        if not resource:
            raise refuse(900144, name="resource")
        oidc = OIDC_SCOPES & set(scope.lower().split())
        return _existing(
            Target(audience=resource, permissions=_all(app_only), oidc=oidc, default=False), own, tenant
        )
    if not scope.strip():
        raise refuse(901002) if resource else refuse(900144, name="scope")
    target = _existing(_read_scope(scope, home=home, app_only=app_only), own, tenant)
    # RFC 8707 lets clients name the resource beside the scope; Entra wants the two to agree.
    if resource and canonical_url(resource) != canonical_url(target.audience):
        raise refuse(9010010)
    return target


def _read_scope(scope: str, *, home: str, app_only: bool) -> Target:
    oidc: set[str] = set()
    wanted: dict[str, list[str]] = {}
    for item in scope.split():
        resource, slash, name = item.rpartition("/")
        if item.lower() in OIDC_SCOPES:
            oidc.add(item.lower())
        elif not slash or not resource:
            raise refuse(70011, reason=f"'{item[:200]}' names no resource.")
        elif name.lower() != ".default" and name.lower() not in PERMISSIONS:
            raise refuse(70011, reason=f"'{name[:200]}' is not a permission of '{resource[:200]}'.")
        else:
            wanted.setdefault(resource, []).append(name)
    if len({canonical_url(name) for name in wanted}) > 1:
        raise refuse(700022, resources=", ".join(name[:200] for name in wanted))
    audience = next(iter(wanted), home)
    names = [name for group in wanted.values() for name in group] or list(_all(app_only))
    default = ".default" in (name.lower() for name in names)
    if app_only and (not default or len(names) > 1 or oidc):
        raise refuse(1002012, scope=scope[:200])
    permissions = _all(app_only) if default else tuple(dict.fromkeys(names))
    return Target(audience=audience, permissions=permissions, oidc=frozenset(oidc), default=default)


def _all(app_only: bool) -> tuple[str, ...]:
    return () if app_only else ("user_impersonation",)


def _existing(target: Target, own: frozenset[str], tenant: str) -> Target:
    if canonical_url(target.audience) not in own:
        raise refuse(500011, resource=target.audience[:200], tenant=tenant)
    return target
