"""The code of the door: what a QR code holds, and the code itself as a picture, in a mail or on a page.

It leads to a page of the welcome desk, closed to whoever is not an organiser: it opens nothing by itself.
"""

import zlib
from struct import pack
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from segno import QRCode

# Left to choose, the library tries all eight, which takes twenty milliseconds; each is as good to a camera.
_MASK = 0
_SCALE, _MARGIN = 6, 4
_AS_BITS = ("1" * _SCALE, "0" * _SCALE)  # light, dark


def address(public_url: str, slug: str, code: str) -> str:
    return f"{public_url}/organisation/forums/{slug}/accueil/code/{code}"


def as_png(address: str) -> bytes:
    """For a mail, which must fetch nothing. As the library draws it, which takes ten times longer point by point."""
    rows = ["".join(map(_AS_BITS.__getitem__, row)) for row in _code(address).matrix]
    side = (len(rows) + 2 * _MARGIN) * _SCALE
    around, blank = "1" * (_MARGIN * _SCALE), _line("1" * side)
    # Each line is told once; those under it are the same (the filter Up, and nothing that differs).
    again = b"\2%s" % bytes(-(-side // 8)) * (_SCALE - 1)
    lines = b"".join(_line(around + row + around) + again for row in rows)
    margin = blank * (_MARGIN * _SCALE)
    head, points = pack(">2I5B", side, side, 1, 0, 0, 0, 0), zlib.compress(margin + lines + margin, 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", points) + _chunk(b"IEND", b"")


def _line(bits: str) -> bytes:
    return b"\0" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))


def _chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))


def as_svg(address: str) -> Markup:
    """For a page: without style nor script, black on white in any theme since a camera must read it."""
    drawn = _code(address).svg_inline(border=4, light="#fff", svgclass=None, lineclass=None, omitsize=True)
    return Markup(drawn)  # noqa: S704 — drawn here, from an address of ours


def _code(address: str) -> "QRCode":
    import segno  # a twentieth of a start, by what it imports

    return segno.make_qr(address, mask=_MASK)
