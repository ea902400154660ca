"""Templates compiled once a run of tests, and not once in each of its processes and of the servers they start.

Two hundred templates in two languages took five seconds of each. Loaded as a pytest plugin; nothing of the product is
replaced but where Jinja keeps what it compiled, beside the checksum of its source.
"""

import functools
import os
import shutil
import tempfile
from typing import Any

import pytest
from jinja2 import Environment, FileSystemBytecodeCache
from jinja2.bccache import Bucket

# The directory they are kept in; the first process of a run names it.
KEPT_IN = "FORUMS_TESTS_TEMPLATES"


def pytest_configure(config: pytest.Config) -> None:
    if KEPT_IN not in os.environ:
        os.environ[KEPT_IN] = tempfile.mkdtemp(prefix="forums-templates-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(KEPT_IN)))
    share()


class Compiled(FileSystemBytecodeCache):
    """Each language has its own: what a filter makes of a constant is worked out when the template is compiled."""

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        return super().get_bucket(environment, f"{environment.globals.get('language')} {name}", filename, source)


def share() -> None:
    """From now on what this process compiles is kept in that directory."""
    begin = Environment.__init__
    compiled = Compiled(os.environ[KEPT_IN])

    @functools.wraps(begin)
    def begin_sharing(self: Environment, *given: Any, **options: Any) -> None:
        begin(self, *given, **{"bytecode_cache": compiled} | options)

    Environment.__init__ = begin_sharing  # type: ignore[method-assign]
