"""What is wrong with a file, or with a row of one."""

from orgstead.client import ConfigurationError

__all__ = ["FileProblem", "RowProblem"]


class FileProblem(ConfigurationError):
    """A file that cannot be read or written as what it should be, or whose columns are none of the table's."""


class RowProblem(ConfigurationError):
    """A row that cannot be what the table holds: ``column`` of the file where one is to blame, and ``reason``."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(f"{column}: {reason}" if column else reason)
        self.reason = reason
        self.column = column
