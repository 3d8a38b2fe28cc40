# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lease that is lost: of `make check-files-kill`.

Who opens a file for writing waits until the library has given its lease back, but for
lease-break-time (45 s) at most: after that the kernel takes it away. So long a time goes by when
all of a program is frozen, its smm- tasks as well. That is done here with SIGSTOP. When they go
on, the file has other bytes, and the program, which goes on last, must see those in all pages but
the one it has written to.
"""

import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import harness

PAGES = 2048
PATIENCE_SECONDS = 60


def lease_seconds():
    return int(Path("/proc/sys/fs/lease-break-time").read_text())


def leases(path):
    """How /proc/locks describes them: ["LEASE ACTIVE READ", ...]"""
    inode = f":{os.stat(path).st_ino}"
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return [" ".join(words[1:4]) for words in lines if words[1] == "LEASE"
            and any(word.endswith(inode) for word in words)]


def wait_for(condition, what, seconds=PATIENCE_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Writer(threading.Thread):
    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path

    def run(self):
        fd = os.open(self.path, os.O_WRONLY)
        os.pwrite(fd, b"b" * (PAGES * 4096), 0)
        os.close(fd)


class Freeze:
    """The watch of harness.run(): called each second while the program runs."""

    def __init__(self, path, under):
        self.path, self.under, self.done = path, under, False

    def __call__(self, pid, output):
        if self.done or b"ready" not in output.read_bytes():
            return None
        self.done = True
        try:
            return self.freeze({pid, *harness.descendants(pid)})
        except TimeoutError as timeout:
            return str(timeout)

    def is_ours(self, pid):
        return harness.read_proc(pid, "comm").strip() != "file_frozen"

    def freeze(self, family):
        """None, or what went wrong."""
        held = leases(self.path)
        if self.under and (held != ["LEASE ACTIVE READ"] or not self.maps_it(family)):
            return f"not paged by the library before: {held}"
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        writer = Writer(self.path)
        writer.start()
        writer.join(lease_seconds() + PATIENCE_SECONDS)
        if writer.is_alive():
            return "the writer waits for ever"
        # First the library's, which must find out by itself.
        for pid in filter(self.is_ours, family):
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not self.maps_it(family), "areas of the library's")
        for pid in family:
            os.kill(pid, signal.SIGCONT)
            if not self.is_ours(pid):
                os.kill(pid, signal.SIGUSR1)
        return None

    def maps_it(self, family):
        """Whether the program has areas with frames of the library's in the file's place."""
        frames, name = False, f"/{self.path.name} (deleted)"
        for pid in filter(lambda pid: not self.is_ours(pid), family):
            for line in harness.read_proc(pid, "smaps").splitlines():
                if not line.split()[0].endswith(":"):
                    frames = line.endswith(name)
                elif line.startswith("VmFlags:") and frames and " um" in line:
                    return True
        return False


def run(program, env):
    """(problems, seconds); @env: None for a plain run."""
    with tempfile.TemporaryDirectory(prefix="smm-lease.") as top:
        path = Path(top) / "file"
        path.write_bytes(b"a" * (PAGES * 4096))
        run = harness.run([str(program), str(path)], under=env is not None, env=env,
                          timeout=lease_seconds() + 3 * PATIENCE_SECONDS,
                          watch=Freeze(path, env is not None))
    expected = f"ready\nb 7\np 1\nb {PAGES - 8}\n"
    problems = list(run.problems)
    if run.status or run.out.decode() != expected:
        problems += [f"status {run.status}", run.out.decode(), run.err.decode()]
    if env is not None:
        problems += run.verify.problems({"file_frozen": 1})
    return problems, run.seconds
