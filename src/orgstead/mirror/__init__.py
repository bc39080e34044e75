"""Definitions and rows of another organisation, online or Orgstead, taken into one by the public protocol."""

from orgstead.mirror.mirroring import MirrorOptions, chosen_rows, mirror
from orgstead.mirror.report import MirrorReport
from orgstead.mirror.rows import Chosen

__all__ = ["Chosen", "MirrorOptions", "MirrorReport", "chosen_rows", "mirror"]
