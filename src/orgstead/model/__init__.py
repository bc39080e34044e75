"""Nouns: values that every other room speaks of. Pure; imports nothing of ours."""
