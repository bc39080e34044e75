"""Headers that ask for something which is not answered: a fault says so, where silence would give another answer.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors#http-headers
"""

from collections.abc import Mapping

from orgstead.errors import fault
from orgstead.wire.odatav4.body import check_body

__all__ = ["check_headers"]


def check_headers(headers: Mapping[str, str], *, body: bool) -> None:
    """Refuse what this request asks for in vain. ``body`` says that it has one, which has to be JSON.

    Raises ODataUnsupported, InvalidHeader, UnsupportedMediaType.
    """
    if body:
        check_body(headers)
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
