"""Names of tables and columns as SQL has them."""

from hashlib import sha256

__all__ = ["quoted", "short"]

# PostgreSQL cuts longer names off.
MAX_NAME = 63


def quoted(name: str) -> str:
    """A name as SQL has it. Names come from the schema, which admits letters, digits and underscores only."""
    if '"' in name or "\x00" in name:
        raise ValueError(name)
    return f'"{short(name)}"'


def short(name: str) -> str:
    """A name that is too long for a database, with a part of its hash for the end."""
    return (
        name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}_{sha256(name.encode()).hexdigest()[:8]}"
    )
