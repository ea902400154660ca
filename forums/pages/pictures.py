"""Pictures made for a page: the QR code that the welcome desk reads."""

import segno
from markupsafe import Markup


def qr_code(address: str) -> Markup:
    """An inline SVG without style nor script, black on white in any theme since a camera must read it."""
    return Markup(segno.make_qr(address).svg_inline(border=4, light="#fff", svgclass=None, lineclass=None, omitsize=True))  # noqa: S704 — ours
