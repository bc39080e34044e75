"""Publishing. Changes of definitions are live when their message has ended, so there is nothing left to do.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/publishxml
"""

from typing import Any

from orgstead.engine.registry import Call, handles
from orgstead.model.messages import Parameter, Signature

__all__ = ["publish_all", "publish_xml"]


@handles(
    "PublishXml",
    privilege="prvPublishCustomization",
    writes=False,
    signature=Signature(kind="action", parameters=(Parameter(name="ParameterXml", type="Edm.String"),)),
)
def publish_xml(call: Call) -> Any:
    """Publish the named components."""
    return None


@handles(
    "PublishAllXml", privilege="prvPublishCustomization", writes=False, signature=Signature(kind="action")
)
def publish_all(call: Call) -> Any:
    """Publish everything."""
    return None
