"""An address as one text, in the form of the organisation's country."""

__all__ = ["address_text"]


def address_text(
    *lines: str | None,
    city: str | None = None,
    state: str | None = None,
    code: str | None = None,
    country: str | None = None,
) -> str:
    """The lines, then the place, then the country; what is missing leaves no trace."""
    region = " ".join(filter(None, (state, code)))
    place = ", ".join(filter(None, (city, region)))
    return "\r\n".join(filter(None, (*lines, place, country)))
