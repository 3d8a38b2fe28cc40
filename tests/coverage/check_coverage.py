#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make check-coverage: no address-space call of a real program may bypass the library.

The cases of tests/programs run under strace, which tells the instruction pointer of every
call. With SHADOWMM_MARK=1 the library announces what is its own by calls that fail:

    mincore(start, length, 0x736d6d0000000001)   executable memory of the library
    mincore(0, 0, 0x736d6d0000000002)            its constructor is done

From the second mark on every call of that image must come from the announced memory. An
image is what one execve made; fork copies it, clone with CLONE_VM shares it. Calls of the
engine processes come from the library's text and so count as its own.

usage: check_coverage.py [PROGRAM...]
"""

import argparse
import collections
import copy
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import check_programs
import harness

PROGRAMS = "bash python3 gcc git perl sqlite3 node java redis nginx".split()

CLONES = ("clone", "clone3", "fork", "vfork")
CALLS = ("mmap", "munmap", "mremap", "mprotect", "pkey_mprotect", "madvise", "brk", "mlock",
         "mlock2", "mlockall", "munlock", "munlockall", "shmat", "shmdt", "remap_file_pages",
         "io_setup", "io_destroy", *CLONES)
MARK_RANGE = 0x736d6d0000000001
MARK_READY = 0x736d6d0000000002
SYSCALL_BYTES = 2  # strace shows the address behind the syscall instruction

LINE = re.compile(r"^(\d+)\s+\[([0-9a-f?]+)\] (.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
CALL = re.compile(r"^(\w+)\((.*)$")
RESULT = re.compile(r"\)\s+= (0x[0-9a-f]+|-?\d+|\?)")
UNFINISHED = " <unfinished ...>"
FILE_MAPPING = re.compile(r"^\w+, (\d+), [A-Z_|]*PROT_EXEC[A-Z_|]*, [^,]*, \d+<(.*)>, (0|0x[0-9a-f]+)$")


@dataclass
class Call:
    pid: int
    ip: int  # 0: unknown
    name: str
    arguments: str
    result: int = None  # None: never returned


def parse(lines):
    """The calls in the order they were entered, results filled in from where they ended."""
    calls, pending = [], {}
    for line in lines:
        match = LINE.match(line.rstrip("\n"))
        if not match:
            continue
        pid, ip, text = int(match[1]), match[2], match[3]
        resumed = RESUMED.match(text)
        if resumed:
            call = pending.pop(pid, None)
            if not call or call.name != resumed[1]:
                # A thread's execve ends under the number of the process.
                call = Call(pid, 0, resumed[1], "")
                calls.append(call)
            text = resumed[2]
        else:
            begin = CALL.match(text)
            if not begin:
                continue  # a signal, an exit
            call = Call(pid, 0 if "?" in ip else int(ip, 16), begin[1], "")
            calls.append(call)
            text = begin[2]
        if text.endswith(UNFINISHED):
            call.arguments += text[:-len(UNFINISHED)]
            pending[pid] = call
            continue
        ends = list(RESULT.finditer(text))
        if ends:
            call.arguments += text[:ends[-1].start()]
            call.result = None if ends[-1][1] == "?" else int(ends[-1][1], 0)
    return calls


@dataclass
class Image:
    name: str
    ready: bool = False
    ranges: list = field(default_factory=list)  # (start, end)
    modules: list = field(default_factory=list)  # (start, end, file offset, path)

    def owns(self, ip):
        return any(start <= ip < end for start, end in self.ranges)

    def place(self, ip):
        for start, end, offset, path in reversed(self.modules):
            if start <= ip < end:
                return f"{path}+{ip - start + offset:#x}"
        return f"{ip:#x}, mapped by no call: the program, ld.so or the vdso of {self.name}"


class Trace:
    """Walks the calls and sorts them into ours and missed."""

    def __init__(self):
        self.images = {}  # task: image
        self.seen = self.ours = 0
        self.missed = collections.Counter()  # (call, place): times
        self.strangers = 0  # calls by tasks whose creation was not seen
        self.any_announced = False
        self.made = []  # images made after the first announcement anywhere

    def walk(self, calls):
        for call in calls:
            self.one(call)
        return self

    def one(self, call):
        if call.name == "execve":
            if call.result == 0:
                path = re.match(r'"([^"]*)"', call.arguments)
                image = self.images[call.pid] = Image(path[1] if path else "(unknown)")
                # What ran before anything was preloaded is the command-line tool itself.
                if self.any_announced:
                    self.made.append(image)
            return
        image = self.images.get(call.pid)
        if not image:
            self.strangers += 1
            return
        if call.name == "mincore":
            self.mark(image, call)
            return
        if call.name in CALLS:
            self.judge(image, call)
        if call.name == "mmap":
            self.map_module(image, call)
        if call.name in CLONES and call.result and call.result > 0:
            shares = call.name == "vfork" or "CLONE_VM" in call.arguments
            self.images[call.result] = image if shares else copy.deepcopy(image)

    def mark(self, image, call):
        start, length, what = (int(word, 16) for word in call.arguments.split(", "))
        if what == MARK_RANGE:
            image.ranges.append((start, start + length))
        elif what == MARK_READY:
            image.ready = self.any_announced = True

    def judge(self, image, call):
        if not image.ready:
            return
        self.seen += 1
        if image.owns(call.ip - SYSCALL_BYTES):
            self.ours += 1
        else:
            self.missed[call.name, image.place(call.ip - SYSCALL_BYTES)] += 1

    def map_module(self, image, call):
        match = FILE_MAPPING.match(call.arguments)
        if match and call.result and call.result > 0:
            image.modules.append((call.result, call.result + int(match[1]), int(match[3], 0),
                                  match[2]))


def run_program(case):
    with tempfile.TemporaryDirectory(prefix="smm-coverage.") as top:
        output = Path(top) / "trace"
        prefix = ["strace", "-f", "-i", "-y", "-qq", "-o", str(output), "-e", "signal=none",
                  "-e", "raw=mincore", "-e", "trace=execve,mincore," + ",".join(CALLS)]
        run = harness.run(["bash", str(case.path)], under=True, verify=False, prefix=prefix,
                          env={"SHADOWMM_MARK": "1"}, timeout=4 * case.timeout)
        with open(output, errors="replace") as lines:
            calls = parse(lines)
    trace = Trace().walk(calls)
    problems = list(run.problems)
    if run.status:
        problems += [f"exit {run.status}", *run.err.decode(errors="replace").splitlines()[-5:]]
    problems += [f"missed {times} x {call} at {place}"
                 for (call, place), times in trace.missed.most_common()]
    silent = collections.Counter(image.name for image in trace.made if not image.ready)
    problems += [f"{times} x {name} without the library" for name, times in silent.items()]
    if trace.strangers:
        problems.append(f"{trace.strangers} calls by tasks whose creation was not seen")
    if not trace.ours:
        problems.append("not one call came through the library")
    print(f"{'FAIL' if problems else 'ok  '} {case.name:<10} {trace.seen:7} calls "
          f"{trace.ours:7} through us {sum(trace.missed.values()):5} missed "
          f"{run.seconds:7.1f} s", flush=True)
    if problems:
        harness.show(f"{case.name}:", problems)
    return not problems


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("programs", nargs="*", default=PROGRAMS)
    arguments = parser.parse_args()
    cases = {path.stem: check_programs.Case.read(path)
             for path in sorted(check_programs.CASES.glob("*.sh"))}
    chosen = check_programs.choose(cases, arguments.programs)
    if harness.library_missing():
        sys.exit(harness.library_missing())
    tools = check_programs.Case("strace", Path(), ["strace"], ["strace"])
    check_programs.setup([*chosen, tools])
    if not shutil.which("strace"):
        sys.exit("strace is missing")
    harness.become_subreaper()
    harness.terminate_cleanly()
    try:
        passed = sum(run_program(case) for case in chosen)
    finally:
        harness.kill_descendants()
    print(f"{passed} passed, {len(chosen) - passed} failed")
    return passed != len(chosen)


if __name__ == "__main__":
    sys.exit(main())
