"""Connection strings as Dynamics developers write them.

``AuthType=ClientSecret;Url=https://contoso.crm.dynamics.com;ClientId=…;ClientSecret=…``: names without regard to case
and spaces, in any order, values in quotes where they hold a semicolon.
https://learn.microsoft.com/power-apps/developer/data-platform/xrm-tooling/use-connection-strings-xrm-tooling-connect
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orgstead.client.credentials import ClientCertificate, ClientSecret, Credential, read_certificate
from orgstead.client.errors import ConfigurationError
from orgstead.client.sign_in import SAMPLE_CLIENT_ID, Browser, Password
from orgstead.client.token_store import TokenStore

__all__ = ["Connection", "read_connection_string"]

MAX_LENGTH = 32_768
# Each name that is in use, without spaces and in lower case, and what it stands for.
_NAMES: Mapping[str, str] = {
    alias: name
    for name, aliases in {
        "type": "authtype authenticationtype",
        "url": "url serviceuri server",
        "client": "clientid appid applicationid",
        "secret": "clientsecret secret",
        "user": "username userid",
        "password": "password",
        "redirect": "redirecturi replyurl",
        "store": "tokencachestorepath",
        "prompt": "loginprompt",
        "thumbprint": "thumbprint certificatethumbprint certthumbprint",
        "certificates": "storename certificatestorename",
        "tenant": "tenantid tenant",
        "authority": "authority",
        # These say how .NET's client works, and nothing about the connection.
        "": "requirenewinstance skipdiscovery timeout integratedsecurity domain homerealmuri",
    }.items()
    for alias in aliases.split()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What to connect to and how. The credential hides its secrets."""

    url: str
    credential: Credential


def read_connection_string(text: str) -> Connection:
    """Read a connection string. Raises ConfigurationError that names what is wrong, and never the values."""
    values = _values(text)
    url = values.get("url")
    if not url:
        raise ConfigurationError("the connection string has no Url")
    kind = values.get("type") or ("ClientSecret" if "secret" in values else "OAuth")
    make = _MAKERS.get(kind.lower().replace(" ", ""))
    if make is None:
        raise ConfigurationError(
            f"AuthType is OAuth, ClientSecret, Certificate or Office365, not {kind[:40]!r}: "
            "AD and IFD are signed in with Windows, which this client does not speak"
        )
    credential = make(values)
    credential.tenant_id = values.get("tenant")
    credential.authority = values.get("authority")
    return Connection(url=url, credential=credential)


def _values(text: str) -> dict[str, str]:
    if len(text) > MAX_LENGTH:
        raise ConfigurationError(f"a connection string has at most {MAX_LENGTH} characters")
    values: dict[str, str] = {}
    for number, part in enumerate(_parts(text), start=1):
        name, sign, value = part.partition("=")
        if not sign:
            raise ConfigurationError(f"part {number} of the connection string has no '='")
        known = _NAMES.get("".join(name.split()).lower())
        if known is None:
            raise ConfigurationError(f"the connection string has the unknown name {name.strip()[:40]!r}")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1].replace(value[0] * 2, value[0])
        if value:
            values[known] = value
    return values


def _parts(text: str) -> list[str]:
    """The parts between semicolons that are not in quotes; a quote begins right after the equals sign."""
    parts, part, quote = [], "", ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and part.rstrip().endswith("="):
            quote = letter
        elif letter in "'\"" and part.partition("=")[2].strip()[:1] == letter:
            quote = letter  # a doubled quote goes on with the value
        elif letter == ";":
            parts.append(part)
            part = ""
            continue
        part += letter
    if quote:
        raise ConfigurationError("a quote in the connection string is not closed")
    return [each for each in [*parts, part] if each.strip()]


def _need(values: Mapping[str, str], name: str, shown: str) -> str:
    value = values.get(name)
    if not value:
        raise ConfigurationError(f"the connection string needs {shown} for its AuthType")
    return value


def _secret(values: Mapping[str, str]) -> Credential:
    return ClientSecret(
        client_id=_need(values, "client", "ClientId"), client_secret=_need(values, "secret", "ClientSecret")
    )


def _certificate(values: Mapping[str, str]) -> Credential:
    """The certificate is a file, or is found by its thumbprint in a directory: there is no Windows store here."""
    place = Path(
        _need(values, "certificates", "StoreName, the path of a file or directory with the certificate")
    )
    password = values.get("password")
    client = _need(values, "client", "ClientId")
    if not place.exists():
        raise ConfigurationError("StoreName is the path of a file or directory that holds the certificate")
    if place.is_file():
        return ClientCertificate(client_id=client, certificate=place, password=password)
    wanted = _need(values, "thumbprint", "Thumbprint").replace(" ", "").replace(":", "").lower()
    for path in sorted(each for each in place.iterdir() if each.suffix in (".pem", ".pfx", ".p12")):
        if _thumbprint(path, password) == wanted:
            return ClientCertificate(client_id=client, certificate=path, password=password)
    raise ConfigurationError("no certificate in the directory of StoreName has this Thumbprint")


def _thumbprint(path: Path, password: str | None) -> str | None:
    try:
        from cryptography.hazmat.primitives import hashes
    except ImportError:
        raise ConfigurationError("a certificate needs the extra crypto: orgstead[crypto]") from None
    try:
        _, certificate = read_certificate(path, password)
    except ConfigurationError:
        return None
    print_: bytes = certificate.fingerprint(hashes.SHA1())
    return print_.hex()


def _person(values: Mapping[str, str]) -> Credential:
    store = TokenStore(Path(values["store"]).expanduser()) if "store" in values else None
    client = values.get("client", SAMPLE_CLIENT_ID)
    if "password" in values:
        user = _need(values, "user", "Username")
        return Password(client_id=client, username=user, password=values["password"], store=store)
    prompts = {"auto": "auto", "always": "always", "never": "never"}
    prompt = prompts.get(values.get("prompt", "auto").lower())
    if prompt is None:
        raise ConfigurationError("LoginPrompt is Auto, Always or Never")
    # An app:// address is for programs of Windows; those on loopback are registered beside it.
    redirect = values.get("redirect", "")
    return Browser(
        client_id=client,
        client_secret=values.get("secret"),
        redirect_uri=redirect if redirect.startswith("http://") else "http://localhost",
        login_hint=values.get("user"),
        store=store,
        prompt=prompt,  # type: ignore[arg-type]
    )


_MAKERS: Mapping[str, Callable[[Mapping[str, str]], Credential]] = {
    "clientsecret": _secret,
    "certificate": _certificate,
    "oauth": _person,
    "office365": _person,
}
