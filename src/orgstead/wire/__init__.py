"""Bytes ⇄ messages, a package per protocol. Wires are pure, and never import each other."""
