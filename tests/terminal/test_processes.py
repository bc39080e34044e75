"""Commands in processes of their own: pipes, Ctrl-C, terminals, and what is not loaded."""

import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.terminal.conftest import Live, Run


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "query", "account", "--jsonl"),
        ("data", "query", "account", "--csv"),
        ("data", "query", "account"),
        ("auth", "who"),
        ("api", "request", "GET", "$metadata"),
    ],
)
def test_a_reader_that_goes_away_ends_a_command_quietly(signed: Run, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with signed.start(*arguments, stdout=writing) as process:
        os.close(writing)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (141, "")


def test_ctrl_c_ends_a_command_quietly(run: Run, live: Live) -> None:
    arguments = ("auth", "create", "--url", live.https, "--ca", live.ca, "--device-code")
    with run.start(*arguments, env=live.environment) as process:
        assert process.stderr is not None
        assert "enter the code" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (130, "", "")
    assert not run.place.exists()


def on_a_terminal(run: Run, columns: int, *arguments: str, typed: str = "") -> tuple[int, list[str]]:
    """How a command ends that has a terminal of so many columns, and the lines that it prints there."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = run.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(60), shown.decode().replace("\r\n", "\n").splitlines()


def test_a_terminal_shows_a_table_that_fits_with_values_as_people_read_them(signed: Run) -> None:
    name = "A name that is much longer than the terminal on which it is shown is wide \x1b[31m日本"
    id = signed.good("data", "create", "account", f"name={name}", "industrycode=7").out.strip()
    query = (
        "data",
        "query",
        "account",
        "--filter",
        f"accountid eq {id}",
        "--select",
        "name,industrycode,accountid",
    )
    code, lines = on_a_terminal(signed, 60, *query)
    assert code == 0, lines
    assert [each[:4] for each in lines[0].split()] == ["name", "indu", "acco"]
    # Half an id would be none.
    assert id in lines[2]
    assert all(len(line) <= 60 for line in lines)
    assert "Consulting" in lines[2]
    assert "…" in lines[2]
    assert "\x1b" not in "".join(lines)
    # In a pipe nothing is cut, and values are as they are kept.
    whole = signed.good(*query).out.splitlines()[2]
    assert (id in whole, "much longer" in whole, re.search(r"\b7\b", whole) is not None) == (True, True, True)


def test_a_terminal_is_asked_before_anything_is_deleted(signed: Run, account: str) -> None:
    delete = ("data", "delete", "account", account)
    code, lines = on_a_terminal(signed, 200, *delete, typed="n\n")
    assert (code, any("Delete account" in line for line in lines)) == (1, True)
    signed.good("data", "get", "account", account)
    code, lines = on_a_terminal(signed, 200, *delete, typed="y\n")
    assert code == 0, lines
    assert signed("data", "get", "account", account).code == 1


def test_a_file_comes_down_on_standard_output(signed: Run, tmp_path: Path) -> None:
    signed.good("tables", "create", "new_Drawer", "new_Paper:file")
    row = signed.good("data", "create", "new_drawer", "new_name=Mine").out.strip()
    content = bytes(range(256)) * 100
    (tmp_path / "paper").write_bytes(content)
    signed.good("data", "upload", "new_drawer", row, "new_paper", str(tmp_path / "paper"))
    with signed.start("data", "download", "new_drawer", row, "new_paper", "-", text=False) as process:
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, content)


def test_a_server_that_is_not_there_is_said_soon(run: Run) -> None:
    nowhere = ("--url", "http://localhost:9", "--token", "x")
    gone = run("data", "count", "account", *nowhere, "--json")
    assert (gone.code, gone.error["code"], gone.error["maybe_applied"]) == (1, "no_connection", False)
    assert "'orgstead serve' starts one here" in gone.error["hint"]


def test_rows_are_printed_while_more_come() -> None:
    script = """
import sys
from orgstead.terminal.output import write_rows

class Out:
    lines = 0
    def write(self, text):
        self.lines += text.count(chr(10))
    def flush(self):
        pass
    def isatty(self):
        return False

def rows():
    for number in range(5000):
        # What is printed is never further behind than what settles the widths.
        assert number - sys.stdout.lines <= 201, (form, number, sys.stdout.lines)
        yield {"number": number}

for form in ("table", "json", "jsonl", "csv"):
    sys.stdout = Out()
    assert write_rows(rows(), form=form) == 5000
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_commands_load_nothing_of_the_server(signed: Run) -> None:
    script = """
import sys
from orgstead.cli import main
try:
    main(["data", "count", "account"])
except SystemExit as end:
    assert end.code == 0
foreign = {"engine", "store", "wire", "server", "identity", "solutions", "app", "commands", "model", "languages"}
loaded = {name.split(".")[1] for name in sys.modules if name.startswith("orgstead.")}
assert not loaded & foreign, loaded & foreign
"""
    environment = {**os.environ, "ORGSTEAD_CONFIG_DIR": str(signed.place)}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=environment)
