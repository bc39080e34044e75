"""The few HTML pages: sign in, enter a device's code, a notice, and the form that posts an answer back.

They load nothing, need no script, and carry a Content-Security-Policy that allows their own style by hash.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

from orgstead.identity.request import NO_STORE, Answer

__all__ = ["device_page", "form_post_page", "notice_page", "sign_in_page"]

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2430;--soft:#55606e;--paper:#fff;--ground:#eef1f5;--line:#7d8896;
--blue:#0b5cad;--bad:#a4161a;--badground:#fdecec}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#a9b4c0;--paper:#1c232c;--ground:#11161c;--line:#7d8896;
--blue:#6db3ff;--bad:#ff9c9c;--badground:#3a1c1e}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:26rem;background:var(--paper);padding:2rem;border-radius:.75rem;
box-shadow:0 1px 2px #0002,0 8px 24px #0001}
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.25}
p{margin:.25rem 0 1rem;color:var(--soft)}
p.error{color:var(--bad);background:var(--badground);padding:.6rem .8rem;border-radius:.4rem}
p.brand{margin:0 0 1.25rem;font-weight:600;color:var(--blue)}
label{display:block;margin:.9rem 0 .25rem;font-weight:600}
input{width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--paper);
border:1px solid var(--line);border-radius:.4rem}
input.code{font:600 1.4rem/1.4 ui-monospace,monospace;letter-spacing:.15em;text-transform:uppercase}
.buttons{display:flex;flex-direction:row-reverse;gap:.75rem;margin-top:1.5rem}
button{flex:1;padding:.65rem;font:inherit;font-weight:600;border-radius:.4rem;border:1px solid var(--blue);
background:var(--blue);color:var(--paper);cursor:pointer}
button.plain{background:transparent;color:var(--blue)}
:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
code{overflow-wrap:anywhere}
"""

_SUBMIT = "document.forms[0].submit()"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY = f"default-src 'none'; style-src {_hash(_STYLE)}; base-uri 'none'; frame-ancestors 'none'"
_SUBMIT_SOURCE = f"script-src {_hash(_SUBMIT)}"


def sign_in_page(
    *,
    organization: str,
    application: str,
    action: str,
    sealed: str,
    redirect_uri: str,
    upn: str = "",
    problem: str = "",
) -> Answer:
    """Ask for a name and a password. ``redirect_uri`` is empty where the answer stays on this server."""
    fields = f"""<form method="post" action="{escape(action)}">
<input type="hidden" name="ctx" value="{escape(sealed)}">
{_credentials(upn, problem)}
<div class="buttons"><button name="action" value="sign-in">Sign in</button>
<button class="plain" name="action" value="cancel" formnovalidate>Cancel</button></div>
</form>"""
    lead = f"<p>to continue to <strong>{escape(application)}</strong></p>"
    return _page(200, organization, "Sign in", lead + fields, targets=_form_targets(redirect_uri))


def device_page(*, organization: str, action: str, sealed: str, code: str = "", problem: str = "") -> Answer:
    """Ask for the code that a device shows."""
    body = f"""<p>Enter the code that your app or device shows.</p>
<form method="post" action="{escape(action)}">
<input type="hidden" name="ctx" value="{escape(sealed)}">
{_problem(problem)}
<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" value="{escape(code)}" autocomplete="one-time-code"
 autocapitalize="characters" spellcheck="false" maxlength="20" required autofocus{_described(problem)}>
<div class="buttons"><button>Next</button></div>
</form>"""
    return _page(200, organization, "Enter code", body, targets="'self'")


def notice_page(status: int, *, organization: str, title: str, text: str, detail: str = "") -> Answer:
    """Tell something that needs no answer."""
    more = f"<p><code>{escape(detail)}</code></p>" if detail else ""
    role = ' role="alert"' if status >= 400 else ""
    return _page(status, organization, title, f"<p{role}>{escape(text)}</p>{more}", targets="'none'")


def form_post_page(*, organization: str, redirect_uri: str, values: Mapping[str, str]) -> Answer:
    """Post ``values`` to the application: by itself where scripts run, by a button where they do not.

    https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html
    """
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in values.items()
    )
    body = f"""<p>You are being returned to your application.</p>
<form method="post" action="{escape(redirect_uri)}">{fields}
<div class="buttons"><button>Continue</button></div></form>
<script>{_SUBMIT}</script>"""
    return _page(200, organization, "Continue", body, targets=_origin(redirect_uri), script=_SUBMIT_SOURCE)


def _credentials(upn: str, problem: str) -> str:
    focus_name, focus_password = ("", " autofocus") if upn else (" autofocus", "")
    return f"""{_problem(problem)}
<label for="username">User name</label>
<input id="username" name="username" type="email" value="{escape(upn)}" autocomplete="username"
 autocapitalize="none" spellcheck="false" required{focus_name}{_described(problem)}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{focus_password}
{_described(problem)}>"""


def _problem(text: str) -> str:
    return f'<p class="error" id="problem" role="alert">{escape(text)}</p>' if text else ""


def _described(problem: str) -> str:
    return ' aria-invalid="true" aria-describedby="problem"' if problem else ""


def _form_targets(redirect_uri: str) -> str:
    # Browsers hold the redirect that follows a form to form-action as well.
    return f"'self' {_origin(redirect_uri)}".rstrip()


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:" if parts.scheme else ""


def _page(status: int, organization: str, title: str, body: str, *, targets: str, script: str = "") -> Answer:
    policy = "; ".join(part for part in (_POLICY, f"form-action {targets}", script) if part)
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - {escape(organization)}</title><style>{_STYLE}</style></head>
<body><main><p class="brand">{escape(organization)}</p><h1>{escape(title)}</h1>
{body}
</main></body></html>
"""
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        *NO_STORE,
    )
    return Answer(status=status, headers=headers, body=text.encode())
