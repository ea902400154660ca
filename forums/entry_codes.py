"""The code of the door: what a QR code holds, and the code itself as a picture, in a mail or on a page.

It leads to a page of the welcome desk, closed to whoever is not an organiser: it opens nothing by itself.
"""

import io
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from segno import QRCode

# Left to choose, the library tries all eight, which takes twenty milliseconds; each is as good to a camera.
_MASK = 0


def address(public_url: str, slug: str, code: str) -> str:
    return f"{public_url}/organisation/forums/{slug}/accueil/code/{code}"


def as_png(address: str) -> bytes:
    """For a mail, which must fetch nothing."""
    picture = io.BytesIO()
    _code(address).save(picture, kind="png", scale=6)
    return picture.getvalue()


def as_svg(address: str) -> Markup:
    """For a page: without style nor script, black on white in any theme since a camera must read it."""
    drawn = _code(address).svg_inline(border=4, light="#fff", svgclass=None, lineclass=None, omitsize=True)
    return Markup(drawn)  # noqa: S704 — drawn here, from an address of ours


def _code(address: str) -> "QRCode":
    import segno  # a twentieth of a start, by what it imports

    return segno.make_qr(address, mask=_MASK)
