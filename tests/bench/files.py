# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file mapped privately and read: cold, warm, at random, by a second process, and what memory
that takes. Warm: the kernel has the file in its cache, the library nothing; held: each has it in
its own. Under the library with SHADOWMM_FILES=own; FILES_MB is the size of the file."""

import contextlib
import ctypes
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import table
from measure import PROGRAMS, settle
from rows import OURS, Row

SECTION = "files"
KERNEL, FLOOR = "kernel", "floor"
FIRST, SECOND = ", first", ", second"
OLD_SECONDS = 2.5  # a file that was changed later is not shared; lib/base/page_cache.h
UNIT = "ns/page"


@contextlib.contextmanager
def file_of(mib):
    """Its path; on a disk, since a file in memory is never cold."""
    with tempfile.TemporaryDirectory(prefix="bench.", dir="/var/tmp") as directory:
        path = Path(directory) / "file"
        with open(path, "wb") as file:
            for _ in range(mib):
                file.write(os.urandom(1 << 20))
            file.flush()
            os.fsync(file.fileno())
        time.sleep(OLD_SECONDS)
        yield path


def ways_of(bench):
    under = dict(bench.under_env, SHADOWMM_FILES="own", SHADOWMM_START="now")
    ways = {KERNEL: ("map", bench.plain_env), FLOOR: ("floor", bench.plain_env),
            OURS: ("map", under)}
    if not bench.userfaultfd:
        del ways[FLOOR]
    return ways


def read_row(bench, name, what, path, skip=()):
    ways = {column: lambda way=way, env=env: bench.run("files", what, way, path, env=env)[0]
            for column, (way, env) in ways_of(bench).items() if column not in skip}
    results = bench.rounds(7, ways)
    bench.add(Row(SECTION, name, UNIT, results, {"what": what}), table.latency)


# --- several processes ----------------------------------------------------------------


CACHESTAT = 451  # Linux 6.5


def kernels_copy(path):
    """KiB of the file that the kernel has in its own cache; 0 if it does not say."""
    everything, found = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
    with open(path, "rb") as file:
        ctypes.CDLL(None).syscall(CACHESTAT, file.fileno(), everything, found, 0)
    return found[0] * os.sysconf("SC_PAGE_SIZE") // 1024


class Reader:
    """One that has read everything, and keeps it mapped. Its time: ns per page."""

    def __init__(self, bench, env, path, what):
        self.process = subprocess.Popen([str(PROGRAMS / "files"), what, "map", str(path)],
                                        env=env, cwd=bench.work, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.time = float(self.process.stdout.readline())

    def pss(self):
        """KiB."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss: +(\d+)", text, re.MULTILINE).group(1))

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait(60):
            raise RuntimeError(f"a reader ended with {self.process.returncode}")


def system_memory():
    """KiB of Cached, which has Shmem in it, and AnonPages. They are everybody's: the changes
    count, if the machine is quiet."""
    text = Path("/proc/meminfo").read_text()
    fields = dict(line.split(":") for line in text.splitlines())
    return sum(int(fields[name].split()[0]) for name in ("Cached", "AnonPages"))


def pair(bench, env, path, what="hold"):
    """Two readers, the second after the first: their times; and for one and for both the sum
    of Pss, how much memory the system uses more, and the kernel's own copy, in KiB. The second
    finds what the first has left, also if that one began with nothing cached."""
    before = system_memory()
    readers, memory = [], []
    try:
        for way in (what, "hold" if what == "hold" else "again"):
            readers.append(Reader(bench, env, path, way))
            memory.append((sum(reader.pss() for reader in readers),
                           max(0, system_memory() - before), kernels_copy(path)))
    finally:
        for reader in readers:
            reader.end()
    settle()
    return [reader.time for reader in readers], *memory


def pair_rows(bench, path):
    ways = {column: lambda env=env: pair(bench, env, path)
            for column, (_, env) in ways_of(bench).items() if column != FLOOR}
    results = bench.rounds(5, ways)
    times = {column + suffix: [run[0][index] for run in runs]
             for column, runs in results.items() for index, suffix in enumerate((FIRST, SECOND))}
    bench.add(Row(SECTION, "files second process", UNIT, times), table.latency)
    for number, name in ((1, "one process"), (2, "two processes")):
        for index, what in enumerate(("Pss", "system")):
            columns = {column: [run[number][index] / 1024 for run in runs]
                       for column, runs in results.items()}
            bench.add(Row(SECTION, f"files {what} of {name}", "MiB", columns), table.latency)


def held_rows(bench, path):
    """The file is in the cache of whoever pages it: the kernel's, or ours, which lives as long as
    somebody has the file mapped. It is our second process that is compared here."""
    holder = Reader(bench, ways_of(bench)[OURS][1], path, "hold")
    try:
        read_row(bench, "files sequential, held", "warm", path)
        read_row(bench, "files random, held", "random", path)
    finally:
        holder.end()


def memory_rows(bench, path):
    """Read with the kernel's cache empty. What the kernel keeps of the file is mapped by those
    whom it serves, so it is in their Pss; beside frames of ours it is a second copy."""
    ways = {column: lambda env=env: pair(bench, env, path, "keep")
            for column, (_, env) in ways_of(bench).items() if column != FLOOR}
    results = bench.rounds(3, ways)
    for number, name in ((1, "one process"), (2, "two processes")):
        columns = {column: [(run[number][0] + (run[number][2] if column == OURS else 0)) / 1024
                            for run in runs] for column, runs in results.items()}
        bench.add(Row(SECTION, f"files all memory of {name}, cold", "MiB", columns),
                  table.latency)


def measure(bench):
    if not bench.wanted("files"):
        return
    mib = int(os.environ.get("FILES_MB", bench.size(512, 64, 4)))
    bench.notes.append(f"files: {mib} MiB in /var/tmp; cold reads are those of a virtual "
                       "machine's device, whose host may have the file in its cache. Memory of "
                       "the system is everybody's.")
    with file_of(mib) as path:
        read_row(bench, "files sequential cold", "cold", path, (FLOOR,))
        read_row(bench, "files sequential warm", "warm", path)
        read_row(bench, "files random warm", "random", path)
        held_rows(bench, path)
        pair_rows(bench, path)
        memory_rows(bench, path)
