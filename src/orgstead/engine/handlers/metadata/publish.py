"""Publishing. Changes of definitions are live when their message has ended, so there is nothing left to do.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/publishxml
"""

from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature

__all__ = ["publish_all", "publish_xml"]

MAX_XML = 1_000_000


@handles(
    "PublishXml",
    privilege="prvPublishCustomization",
    writes=False,
    signature=Signature(kind="action", parameters=(Parameter(name="ParameterXml", type="Edm.String"),)),
)
def publish_xml(call: Call) -> Any:
    """Publish the named components. Raises InvalidArgument for what is no such list."""
    text, root = str(call.parameters["ParameterXml"]), None
    if len(text) <= MAX_XML and "<!" not in text:
        with suppress(ElementTree.ParseError, ValueError):
            root = ElementTree.fromstring(text)
    if root is None or root.tag.lower() != "importexportxml":
        raise fault("InvalidArgument", message="ParameterXml is no importexportxml document.")


@handles(
    "PublishAllXml", privilege="prvPublishCustomization", writes=False, signature=Signature(kind="action")
)
def publish_all(call: Call) -> Any:
    """Publish everything."""
    return None
