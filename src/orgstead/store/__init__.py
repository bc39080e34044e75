"""Rows in databases: bound plans to SQL, schema changes to DDL, on SQLite and on PostgreSQL."""
