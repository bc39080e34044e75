"""Rows in and out of files, on the client alone: CSV, JSON lines, workbooks and Parquet."""

from orgstead.transfer.importing import ImportOptions, ImportReport, import_file
from orgstead.transfer.opening import FileOptions
from orgstead.transfer.problems import FileProblem, RowProblem

__all__ = ["FileOptions", "FileProblem", "ImportOptions", "ImportReport", "RowProblem", "import_file"]
