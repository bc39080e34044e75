"""Shipped data: tables, choices and rows, and what turns them into definitions and messages."""
