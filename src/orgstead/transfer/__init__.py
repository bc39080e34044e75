"""Rows in and out of files, on the client alone: CSV, JSON lines, workbooks and Parquet."""

from orgstead.transfer.exporting import ExportReport, export_file
from orgstead.transfer.importing import ImportOptions, ImportReport, import_file
from orgstead.transfer.opening import FileOptions
from orgstead.transfer.problems import FileProblem, RowProblem
from orgstead.transfer.selecting import ExportOptions

__all__ = [
    "ExportOptions",
    "ExportReport",
    "FileOptions",
    "FileProblem",
    "ImportOptions",
    "ImportReport",
    "RowProblem",
    "export_file",
    "import_file",
]
