"""The code of the door: what a QR code holds, and the code itself as a picture, in a mail or on a page.

It leads to a page of the welcome desk, closed to whoever is not an organiser: it opens nothing by itself.
"""

import io

import segno
from markupsafe import Markup

# Left to choose, the library tries all eight, which takes twenty milliseconds; each is as good to a camera.
_MASK = 0


def address(public_url: str, slug: str, code: str) -> str:
    return f"{public_url}/organisation/forums/{slug}/accueil/code/{code}"


def as_png(address: str) -> bytes:
    """For a mail, which must fetch nothing."""
    picture = io.BytesIO()
    segno.make_qr(address, mask=_MASK).save(picture, kind="png", scale=6)
    return picture.getvalue()


def as_svg(address: str) -> Markup:
    """For a page: without style nor script, black on white in any theme since a camera must read it."""
    drawn = segno.make_qr(address, mask=_MASK).svg_inline(border=4, light="#fff", svgclass=None, lineclass=None, omitsize=True)
    return Markup(drawn)  # noqa: S704 — drawn here, from an address of ours
