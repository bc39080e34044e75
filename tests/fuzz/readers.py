"""The readers of what strangers send, fed by a fuzzer: none raises anything but a Fault, none grows without bound.

``python -m tests.fuzz.readers envelope -runs=20000``: a reader's name, then options of libFuzzer
(https://llvm.org/docs/LibFuzzer.html#options), which also takes a directory of inputs to begin with and to
add to. It needs atheris, which has wheels for Linux on x86-64.
"""

import random
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import atheris
from lxml import etree

with atheris.instrument_imports(include=["orgstead.languages", "orgstead.wire"]):
    from orgstead.languages.fetchxml import parse_fetchxml, print_fetchxml
    from orgstead.languages.odata import parse_filter, parse_options
    from orgstead.wire.odatav4.batch import read_batch
    from orgstead.wire.soap.answers import Many
    from orgstead.wire.soap.ask import Context
    from orgstead.wire.soap.contracts import CONTRACTS
    from orgstead.wire.soap.decode import decode, decode_request
    from orgstead.wire.soap.envelope import read_envelope
    from orgstead.wire.soap.registry import REQUESTS

from orgstead.app import open_organisation
from orgstead.config import Config
from orgstead.engine.ids import new_id
from orgstead.errors import Fault

MEMORY = 3 << 30
GOLDEN = Path(__file__).parent.parent / "golden" / "soap"
BOUNDARY = "multipart/mixed; boundary=b"


def envelope() -> Callable[[bytes], None]:
    """Envelopes to messages, by the schema of a new organisation."""
    organisation = open_organisation(Config(data=tempfile.mkdtemp(), sample=False))
    handlers = organisation.engine.registry.handlers.items()
    signatures = {name: each.signature for name, each in handlers if each.signature is not None}
    context = Context(organisation.engine.schema, signatures, new_id, "http://localhost:5365")

    def read(data: bytes) -> None:
        _, found = decode(read_envelope(data).operation, context)
        if isinstance(found, Many):
            for each in found.requests:
                decode_request(each, context, nested=True)

    return read


def fetchxml() -> Callable[[bytes], None]:
    """FetchXML; what can be read can be written, or is refused."""

    def read(data: bytes) -> None:
        print_fetchxml(parse_fetchxml(data.decode("utf-8", "replace")))

    return read


def options() -> Callable[[bytes], None]:
    """Query strings, and the rest of them as a filter."""

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        if text.startswith("$"):
            parse_options(text, table="account")
        else:
            parse_filter(text)

    return read


def batch() -> Callable[[bytes], None]:
    """Bodies of batches."""
    return lambda data: [None for _ in read_batch(BOUNDARY, data)].clear()


READERS: Mapping[str, Callable[[], Callable[[bytes], None]]] = {
    "envelope": envelope, "fetchxml": fetchxml, "options": options, "batch": batch,
}  # fmt: skip
_SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
_SERVICES = 'xmlns="http://schemas.microsoft.com/xrm/2011/Contracts/Services"'
_NAMES = (
    'xmlns:a="http://schemas.microsoft.com/xrm/2011/Contracts" xmlns:c="http://www.w3.org/2001/XMLSchema" '
    'xmlns:b="http://schemas.datacontract.org/2004/07/System.Collections.Generic" '
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
)
# What each reader begins with besides the golden exchanges.
SEEDS: Mapping[str, tuple[str, ...]] = {
    "envelope": (
        _SOAP.format(
            f"<Create {_SERVICES}><entity {_NAMES}><a:Attributes><a:KeyValuePairOfstringanyType><b:key>name</b:key>"
            '<b:value i:type="c:string">N</b:value></a:KeyValuePairOfstringanyType></a:Attributes>'
            "<a:Id>00000000-0000-0000-0000-000000000000</a:Id><a:LogicalName>account</a:LogicalName></entity></Create>"
        ),
        _SOAP.format(
            f'<RetrieveMultiple {_SERVICES}><query {_NAMES} i:type="a:FetchExpression"><a:Query>'
            "&lt;fetch&gt;&lt;entity name='account'/&gt;&lt;/fetch&gt;</a:Query></query></RetrieveMultiple>"
        ),
        _SOAP.format(
            f'<RetrieveMultiple {_SERVICES}><query {_NAMES} i:type="a:QueryExpression"><a:ColumnSet><a:AllColumns>'
            "true</a:AllColumns></a:ColumnSet><a:Criteria><a:Conditions><a:ConditionExpression><a:AttributeName>name"
            "</a:AttributeName><a:Operator>Equal</a:Operator><a:Values/></a:ConditionExpression></a:Conditions>"
            "</a:Criteria><a:EntityName>account</a:EntityName></query></RetrieveMultiple>"
        ),
        _SOAP.format(
            f"<Execute {_SERVICES}><request {_NAMES}><a:Parameters/><a:RequestName>ExecuteMultiple</a:RequestName>"
            "</request></Execute>"
        ),
    ),
    "fetchxml": (
        ("<fetch count='5' page='2'><entity name='account'><attribute name='name'/><order attribute='name'/><filter "
        "type='or'><condition attribute='name' operator='in'><value>A</value></condition></filter><link-entity "
        "name='contact' from='parentcustomerid' to='accountid' alias='c' link-type='outer'/></entity></fetch>"),
        ("<fetch aggregate='true'><entity name='account'><attribute name='revenue' alias='r' aggregate='sum'/>"
        "<attribute name='statecode' alias='s' groupby='true'/></entity></fetch>"),
    ),
    "options": (
        "name eq 'A' and (revenue gt 1.5 or not contains(name,'x')) and Account_Tasks/any(t:t/subject eq 'y')",
        "Microsoft.Dynamics.CRM.LastXDays(PropertyName='createdon',PropertyValue=3)",
        "$select=name&$filter=name eq 'A'&$orderby=name desc&$expand=primarycontactid($select=fullname)&$top=3",
        "$apply=filter(revenue gt 1)/groupby((statecode),aggregate(revenue with sum as total))",
    ),
    "batch": (
        ("--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nGET accounts HTTP/1.1"
        "\r\n\r\n\r\n--b--\r\n"),
        ("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n"
        "Content-ID: 1\r\n\r\nPOST accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}\r\n--c--"
        "\r\n--b--\r\n"),
    ),
}  # fmt: skip


# Bytes at random hardly ever are XML: trees are changed as trees, with the words of the service.
_WORDS = sorted({
    *REQUESTS, *(name for _, name in CONTRACTS), *(member.name for each in CONTRACTS.values() for member in each.own),
    *(value for each in CONTRACTS.values() for value in each.values),
    "account", "name", "accountid", "1", "-1", "true", "", "99999999999999999999", "2024-02-30T00:00:00Z", "NaN",
    "\u0130", "00000000-0000-0000-0000-000000000001", "fetch", "entity", "attribute", "condition", "value",
    "link-entity", "order",
})  # fmt: skip
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _changed(data: bytes, max_size: int, seed: int) -> bytes:
    """An input that is another tree, or has other bytes."""
    chance = random.Random(seed)
    if chance.random() < 0.3:
        return bytes(atheris.Mutate(data, max_size))
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return bytes(atheris.Mutate(data, max_size))
    for _ in range(chance.randint(1, 4)):
        every = [each for each in root.iter() if isinstance(each.tag, str)]
        one, other = chance.choice(every), chance.choice(every)
        word = chance.choice(_WORDS)
        match chance.randrange(7):
            case 0 if one.getparent() is not None:
                one.getparent().remove(one)
            case 1:
                other.append(deepcopy(one))
            case 2 if word and word[0].isalpha() and word.isascii():
                one.tag = (
                    f"{{{etree.QName(one).namespace or ''}}}{word}" if etree.QName(one).namespace else word
                )
            case 3:
                one.text = word
            case 4:
                one.set(_TYPE, f"{one.prefix}:{word}" if one.prefix else word)
            case 5 if one.attrib:
                one.set(chance.choice(list(one.attrib)), word)
            case _:
                one.text = other.text
    made = etree.tostring(root)
    return made if len(made) <= max_size else data


def main(arguments: list[str]) -> None:
    """Fuzz the reader that the first argument names."""
    name, *rest = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seeds = Path(tempfile.mkdtemp())
    for number, text in enumerate(SEEDS[name]):
        (seeds / str(number)).write_bytes(text.encode())
    if name == "envelope":
        for each in sorted(GOLDEN.glob("*.request.xml")):
            (seeds / each.name).write_bytes(each.read_bytes())
    read = READERS[name]()

    def once(data: bytes) -> None:
        with suppress(Fault):
            read(data)

    own = [each for each in rest if not each.startswith("-")]
    options = [each for each in rest if each.startswith("-")]
    # Found inputs go to the first directory, which is the caller's if there is one.
    bounds = ["-rss_limit_mb=1024", "-timeout=20", "-max_len=16384"]
    shaped = {"custom_mutator": _changed} if name in ("envelope", "fetchxml") else {}
    atheris.Setup([sys.argv[0], *bounds, *options, *own, str(seeds)], once, **shaped)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
