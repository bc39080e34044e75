"""Data management of Finance and Operations: messages of recurring data jobs, executions, staging."""
