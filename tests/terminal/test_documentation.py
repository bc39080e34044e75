"""Every command that the documentation shows is one, with the options that it shows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orgstead.cli import main

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md")), ROOT / "docs" / "tutorial.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(^|\$\(|\| )(?:\$ )?(?:[A-Z_]+=\S+ )*orgstead (.*)")


def shown(page: Path) -> Iterator[str]:
    for language, block in BLOCK.findall(page.read_text("utf-8")):
        if language not in ("", "sh", "bash", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if found := COMMAND.search(line):
                yield found[2].partition(")")[0] if found[1] == "$(" else found[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documentation_are_commands(page: Path) -> None:
    for line in shown(page):
        words = shlex.split(line, comments=True)
        for sign in ("|", "||", ">", "&", "&&"):
            words = words[: words.index(sign)] if sign in words else words
        command: click.Command = main
        context = click.Context(main, info_name="orgstead")
        while isinstance(command, click.Group):
            name = words.pop(0) if words else ""
            if name.startswith("-"):
                break
            found = command.get_command(context, name)
            assert found is not None, f"{page.name}: orgstead {line}"
            command = found
            context = click.Context(command, parent=context, info_name=name)
        try:
            command.make_parser(context).parse_args(list(words))
        except click.UsageError as error:
            pytest.fail(f"{page.name}: orgstead {line}: {error.message}")


def test_the_first_page_shows_every_command_by_what_it_is_for() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert "Others:" not in shown
    for name, command in main.commands.items():
        (line,) = re.findall(rf"^  {name} +(.+)$", shown, re.MULTILINE)
        assert not line.endswith("..."), f"{name} says more than fits: give it a short_help"
        assert command.get_short_help_str(80) == line
