"""The client's documentation runs as it is printed, and everything public has words."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from orgstead import client
from orgstead.client.methods import operation, stream
from tests.live import Live

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks() -> list[Any]:
    pages = [ROOT / "docs/how-to/use-the-python-client.md", ROOT / "README.md"]
    found = [
        (page, number, text)
        for page in pages
        for number, text in enumerate(BLOCK.findall(page.read_text("utf-8")))
    ]
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page, number, text in found
        if "orgstead.client" in text
    ]


@pytest.mark.parametrize("text", blocks())
def test_every_example_runs_as_it_is_printed(
    text: str, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8), "teal").save("portrait.png")
    exec(
        compile(text.replace("http://localhost:5365", live.http), "example", "exec"), {"__name__": "example"}
    )


def public() -> list[Any]:
    found = []
    for name in client.__all__:
        thing = getattr(client, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            found.append(pytest.param(thing, id=name))
    return found


@pytest.mark.parametrize("thing", public())
def test_every_public_name_says_what_it_is(thing: Any) -> None:
    assert inspect.getdoc(thing)
    if not inspect.isclass(thing):
        return
    for name, member in vars(thing).items():
        if name.startswith("_") or not isinstance(member, operation | stream | property | classmethod):
            continue
        function = getattr(member, "function", getattr(member, "fget", getattr(member, "__func__", member)))
        assert function.__doc__, f"{thing.__name__}.{name} has no words"


def test_a_method_shows_its_own_words_and_parameters() -> None:
    with client.Client("http://localhost:1", "token") as made:
        assert made.records.create.__doc__ == client.Records.create.__doc__
        assert list(inspect.signature(made.records.create).parameters)[1:] == ["table", "data", "id"]
