"""``$expand`` as it is typed, read into what the client builds queries of.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/join-tables
"""

import click

from orgstead.client import Expand, raw

__all__ = ["read_expand", "split_names"]

MAX_DEPTH = 8


def split_names(text: str | None) -> list[str]:
    """Names between commas."""
    return [each.strip() for each in (text or "").split(",") if each.strip()]


def read_expand(text: str | None, depth: int = 0) -> list[Expand]:
    """``primarycontactid($select=fullname),Account_Tasks``. Raises UsageError for what is none."""
    if depth > MAX_DEPTH:
        raise click.UsageError(f"--expand is nested more than {MAX_DEPTH} deep.")
    return [_one(part.strip(), depth) for part in _parts(text or "", ",") if part.strip()]


def _one(text: str, depth: int) -> Expand:
    name, opened, rest = text.partition("(")
    if not opened:
        return Expand(name)
    if not rest.endswith(")"):
        raise click.UsageError(f"--expand has an open parenthesis: {text[:60]!r}.")
    options: dict[str, str] = {}
    for part in _parts(rest[:-1], ";"):
        option, sign, value = part.strip().partition("=")
        if not sign or option.lower() not in ("$select", "$filter", "$orderby", "$top", "$expand"):
            raise click.UsageError(
                f"--expand takes $select, $filter, $orderby, $top and $expand, not {part.strip()[:60]!r}."
            )
        options[option.lower()] = value
    top = options.get("$top")
    if top is not None and not top.isdigit():
        raise click.UsageError(f"$top is a number, not {top[:20]!r}.")
    return Expand(
        name.strip(),
        select=split_names(options.get("$select")),
        where=raw(options["$filter"]) if "$filter" in options else None,
        order=split_names(options.get("$orderby")),
        top=int(top) if top is not None else None,
        expand=read_expand(options.get("$expand"), depth + 1),
    )


def _parts(text: str, sign: str) -> list[str]:
    """What stands between signs that are in no parentheses and no quotes."""
    parts, part, depth, quoted = [], "", 0, False
    for letter in text:
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "()":
            depth += 1 if letter == "(" else -1
        if letter == sign and not quoted and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    return [*parts, part]
