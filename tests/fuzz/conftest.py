"""The fuzzer has wheels for some platforms only; elsewhere there is nothing to collect here."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("atheris") else ["test_readers.py"]
