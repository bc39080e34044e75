"""Small square pictures out of what an image column is given.

https://learn.microsoft.com/power-apps/developer/data-platform/image-column-data#resize-rules-for-thumbnail-sized-images
"""

import warnings
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["mime_of", "thumbnail"]

SIDE = 144
# https://learn.microsoft.com/power-apps/developer/data-platform/image-column-data#image-file-types
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF")
# A small file can say that it is a picture of any size: this one takes a second and 200 MB.
MAX_PIXELS = 50_000_000
_MIMES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}


def thumbnail(data: bytes) -> bytes | None:
    """A square picture of at most 144 pixels a side; the picture itself when it is one, None for what is no picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data), formats=FORMATS) as picture:
                return _small(picture, data)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError, ArithmeticError):
        return None
    except (Image.DecompressionBombError, TypeError, KeyError, IndexError, AttributeError):
        # What the readers of the formats raise for files that were made to break them.
        return None


def _small(picture: Image.Image, data: bytes) -> bytes | None:
    wide, high = picture.size
    if wide * high > MAX_PIXELS or not wide or not high:
        return None
    picture.load()
    if wide == high <= SIDE:
        return data
    kind = "JPEG" if picture.format == "JPEG" else "PNG"
    upright = ImageOps.exif_transpose(picture) or picture
    mode = "RGB" if kind == "JPEG" else "RGBA"
    side = min(wide, high, SIDE)
    square = ImageOps.fit(upright.convert(mode), (side, side))
    written = BytesIO()
    square.save(written, kind)
    return written.getvalue()


def mime_of(data: bytes) -> str:
    """The MIME type of a picture."""
    return next(
        (mime for start, mime in _MIMES.items() if data.startswith(start)), "application/octet-stream"
    )
