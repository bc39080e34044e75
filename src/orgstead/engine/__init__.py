"""Verbs: one pipeline through which every message of every protocol goes."""
