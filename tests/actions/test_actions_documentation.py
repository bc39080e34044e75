"""The page about actions runs as it is printed."""

import re
from pathlib import Path

import pytest

from tests.live import Live, live, trusted

__all__ = ["live", "trusted"]

PAGE = Path(__file__).parent.parent.parent / "docs/how-to/give-agents-actions.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_example_runs_as_it_is_printed(
    number: int,
    trusted: Live,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = BLOCKS[number].replace("http://localhost:5365", trusted.http)
    text = text.replace("https://localhost:5366", trusted.https)
    found: dict[str, object] = {"__name__": "example"}
    exec(compile(text, "example", "exec"), found)
    if "create_appointment" in text:
        assert f"{trusted.http}/main.aspx?etn=appointment&id=" in capsys.readouterr().out
    else:
        assert str(found["page"].url).startswith(f"{trusted.https}/common/oauth2/v2.0/authorize?")  # type: ignore[attr-defined]
        found["client"].close()  # type: ignore[attr-defined]
