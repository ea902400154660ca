"""The bytes of a mail (RFC 5322, RFC 2045 to 2047), put together from parts that are bytes already.

The standard library reads each header it is given back into a tree, several times: as long as a mail's words take
ten times over. Here it folds and encodes what is not plain, once for the same text; what is plain is written as it
stands. Seven bits in lines of 76 at most, and boundaries from the mail's own identifier: the same mail, the same bytes.
"""

import binascii
import re
from collections.abc import Sequence
from email.headerregistry import Address
from email.policy import SMTP
from functools import lru_cache

# Relays must not re-encode what a signature covers, and a folded List-Unsubscribe breaks one-click.
_POLICY = SMTP.clone(max_line_length=998, cte_type="7bit")
_PLAIN = re.compile(r"(?!.*=\?)[!-~](?:[ -~]{0,900}[!-~])?")
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_USUAL_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII | re.IGNORECASE)


def header(name: str, value: str) -> bytes:
    """One whose value is plain, or read as a text."""
    return b"%s: %s\r\n" % (name.encode(), value.encode()) if _PLAIN.fullmatch(value) else _encoded(name, value)


@lru_cache(maxsize=64)
def _encoded(name: str, value: str) -> bytes:
    return _folded(name, value)


@lru_cache(maxsize=16)
def sender(name: str, display_name: str, addr_spec: str) -> bytes:
    """One that holds our own address."""
    return _folded(name, Address(display_name=display_name, addr_spec=addr_spec))


def recipient(name: str, addr_spec: str) -> bytes:
    """One that holds an address that was typed. Refuses what is not one."""
    if len(addr_spec) < 900 and "=?" not in addr_spec and _USUAL_ADDRESS.fullmatch(addr_spec):
        return b"%s: %s\r\n" % (name.encode(), addr_spec.encode())
    return _folded(name, Address(addr_spec=addr_spec))


def _folded(name: str, value: str | Address) -> bytes:
    return _POLICY.fold_binary(*_POLICY.header_store_parse(name, value))


def text(subtype: str, words: str) -> bytes:
    """A part people read: quoted-printable, which leaves French legible in a mail that is looked at raw."""
    lines = b"\r\n".join(words.encode().splitlines()) + b"\r\n"
    head = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n' % subtype.encode()
    return head + binascii.b2a_qp(lines, istext=True)


def in_base64(content: bytes) -> bytes:
    """A part's content, in lines of 76."""
    lines = (binascii.b2a_base64(content[first : first + 57], newline=False) for first in range(0, len(content), 57))
    return b"\r\n".join(lines) + b"\r\n"


def part(kind: str, encoded: bytes, *, filename: str | None = None) -> bytes:
    """A part whose content is `in_base64`; with a name, it is attached."""
    attached = b'Content-Disposition: attachment; filename="%s"\r\n' % filename.encode() if filename else b""
    return b"Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n%s\r\n%s" % (kind.encode(), attached, encoded)


def together(subtype: str, parts: Sequence[bytes], identifier: str) -> bytes:
    """Several parts as one. No content looks like the boundary: neither encoding can say `=_`."""
    boundary = f"=_{subtype}_{identifier}".encode()
    inside = b"".join(b"--%s\r\n%s\r\n" % (boundary, each) for each in parts)
    return b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n%s--%s--\r\n' % (subtype.encode(), boundary, inside, boundary)
