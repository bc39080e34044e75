"""What the documentation shows is run as it stands, but for the ports and the directory of the server under test."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vendor.conftest import Live

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def adapted(text: str, live: Live) -> str:
    data = Path(live.ca).parent.parent
    for shown, here in (
        ("http://localhost:5365", live.http),
        ("https://localhost:5366", live.https),
        ("$PWD/.orgstead/", f"{data}/"),
        ("$(orgstead token)", f"$(orgstead token --data {data} --url {live.http})"),
    ):
        text = text.replace(shown, here)
    return text


def script(page: str, live: Live) -> str:
    """The shell and Python blocks of a page as one shell script that stops at the first failure."""
    lines = ["set -euo pipefail"]
    for kind, text in BLOCK.findall((ROOT / page).read_text("utf-8")):
        code = adapted(text, live)
        lines.append(code if kind == "sh" else f"{sys.executable} - <<'END'\n{code}END\n")
    return "\n".join(lines)


def run(code: str, live: Live) -> str:
    done = subprocess.run(
        ["bash", "-c", code],
        cwd=ROOT, env=dict(live.environment), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_tutorial_does_what_it_says(live: Live) -> None:
    said = run(script("docs/tutorial.md", live), live)
    assert "@OData.Community.Display.V1.FormattedValue" in said
    assert "Could not find a property named 'nmae'" in said
    assert '"name":"Blue Heron Mills","telephone1":"555 0100"' in said
    assert "Teal 9.8\nWigeon None" in said
    assert '"unsupported"' in said


def test_the_readme_example_runs(live: Live) -> None:
    said = run(script("README.md", live), live)
    assert "Blue Heron Mills" in said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_on_every_page_is_python_and_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for kind, code in BLOCK.findall(text):
        if kind == "python":
            ast.parse(code)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target
