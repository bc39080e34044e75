"""Files of data management: bytes to rows and back, in constant memory where the format allows it.

A file that cannot be read as a whole raises a fault of ``errors.toml``; what is wrong with one row is told by the row.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-import-export-job
"""
