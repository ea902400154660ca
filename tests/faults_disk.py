"""A disk of our own, an ext4 file system on a loop device: filled up, and cut off as by a power cut. Needs root."""

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# EXT4_IOC_SHUTDOWN with NOLOGFLUSH (2): what was not flushed is gone, as when the power goes.
_SHUTDOWN, _NOLOGFLUSH = 0x8004587D, 2


_ALONE = "FAULTS_ALONE_WITH_MOUNTS"


@dataclass
class Disk:
    """Mounted at `folder`. `image` is what stands for the device."""

    image: Path
    folder: Path

    def fill(self) -> None:
        """Leave no room for anything."""
        filler = os.open(self.folder / "filler", os.O_WRONLY | os.O_CREAT)
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    os.write(filler, b"x" * size)
            except OSError:
                continue
        os.close(filler)
        os.sync()

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def cut_off(self) -> None:
        """The power goes. Nothing can be read or written until `back`."""
        opened = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(opened, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(opened)

    def back(self) -> None:
        """The power is back: the file system replays its journal."""
        _run("umount", str(self.folder))
        _run("mount", "-o", "loop", str(self.image), str(self.folder))


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[Disk]:
    """A disk of so many megabytes until the end of the block."""
    found = Disk(place / "disk.img", place / "disk")
    found.folder.mkdir()
    with found.image.open("wb") as image:
        image.truncate(megabytes * 1024 * 1024)
    _run("mkfs.ext4", "-q", str(found.image))
    _run("mount", "-o", "loop", str(found.image), str(found.folder))
    try:
        yield found
    finally:
        subprocess.run(["umount", "--lazy", str(found.folder)], check=False)
        found.image.unlink()


def alone_with_mounts() -> None:
    """Begin the program again where no other process sees what it mounts.

    A namespace made meanwhile, of a network for example, would hold the file system after it is unmounted here: what is
    mounted again is then the one that was cut off, and not what had reached the disk.
    """
    if may_mount() and os.environ.get(_ALONE) is None:
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, *sys.orig_argv[1:]], os.environ | {_ALONE: "1"})


def may_mount() -> bool:
    """Whether this machine lets us have one."""
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
