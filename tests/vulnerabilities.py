"""Whether what the lock names has known vulnerabilities, as far as somebody can be asked here.

The service of advisories is asked first about a release that is known to be vulnerable: where it finds nothing,
or cannot be reached, what it would say of ours proves nothing, and that is said instead of a false « none found ».
`python -m tests.vulnerabilities PIP_AUDIT [-s osv]`; ends with 1 when something was found, 0 otherwise.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from forums.settings import ROOT

KNOWN = "jinja2==2.4.1"  # CVE-2016-10745 and others
ELSEWHERE = "  Where advisories can be had:  var/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.txt  [-s osv]"


def asked(pip_audit: str, requirements: Path, *more: str) -> tuple[int, str]:
    words = [pip_audit, "--strict", "--progress-spinner", "off", "--disable-pip", "-r", str(requirements), *more]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def main(pip_audit: str, *more: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.txt"
        known.write_text(f"{KNOWN}\n")
        _, said = asked(pip_audit, known, "--no-deps", *more)
    if "CVE-" not in said and "PYSEC-" not in said and "GHSA-" not in said:
        print(f"pip-audit: NOT AUDITED. Asked about {KNOWN}, which is vulnerable, the service here answers: {_last_line(said)}")
        print(ELSEWHERE)
        return 0
    status, said = asked(pip_audit, ROOT / "requirements.txt", "--require-hashes", *more)
    print(f"pip-audit: {said.strip()}")
    return int(status != 0)


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "nothing"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
