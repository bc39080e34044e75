"""Headers that ask for something which is not answered: a fault says so, where silence would give another answer.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors#http-headers
"""

from collections.abc import Mapping

from orgstead.errors import fault

__all__ = ["check_headers"]

JSON = frozenset({"application/json", ""})


def check_headers(headers: Mapping[str, str], *, body: bool) -> None:
    """Refuse what this request asks for in vain. ``body`` says that it has one, which has to be JSON.

    Raises ODataUnsupported, InvalidHeader, UnsupportedMediaType.
    """
    if body:
        kind = headers.get("content-type", "")
        name, _, parameters = kind.lower().partition(";")
        charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
        if name.strip() not in JSON or charset not in ("", "utf-8", "utf8"):
            raise fault("UnsupportedMediaType", value=kind[:100])
        coding = headers.get("content-encoding", "identity")
        if coding.strip().lower() != "identity":
            raise fault("UnsupportedMediaType", value=f"in the encoding {coding[:50]}")
    accept = headers.get("accept", "").lower()
    if "odata.metadata" in accept:
        level = accept.partition("odata.metadata=")[2][:7]
        if level != "minimal":
            raise fault("ODataUnsupported", feature=f"Accept: {accept[:100]}")
    version = headers.get("odata-maxversion", "4.0")
    if version.strip() not in ("4.0", "4.01"):
        raise fault("InvalidHeader", name="OData-MaxVersion", value=version[:50])
    merge = headers.get("mscrm.mergelabels", "true")
    if merge.strip().lower() not in ("true", "false"):
        raise fault("InvalidHeader", name="MSCRM.MergeLabels", value=merge[:50])
