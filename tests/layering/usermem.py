#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Application addresses are unsigned long; only named files turn a number into a pointer.

The compiler knows where that happens: clang's syntax tree calls it IntegralToPointer.
"""
import os
import re
import shlex
import subprocess

from rooms import BUILD, INT_TO_POINTER, SRC, Report, skip, sources

clang = os.environ.get("CLANG")
if not clang:
    skip("no clang: apt-get install clang, then configure again")
report = Report()
flags = ["-fsyntax-only", "-std=gnu11", "-ffreestanding", "-D_LGPL_SOURCE", "-w",
         f"-I{SRC}", f"-I{SRC}/include", f"-I{BUILD}",
         *shlex.split(os.environ.get("URCU_CFLAGS", ""))]


def casts(path):
    """Places in @path, or in a header of ours that it includes, that make a pointer."""
    tree = subprocess.run(
        [clang, *flags, "-Xclang", "-ast-dump", "-fno-color-diagnostics",
         os.path.join(SRC, path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if tree.returncode:
        raise SystemExit(f"{path}: clang: {tree.stderr}")
    current, line = None, 0
    for text in tree.stdout.splitlines():
        # Locations are printed relative to the one before: "file:3:1", "line:4:2", "col:7".
        location = re.search(r"<([^<>]*(?:<[^<>]*>[^<>]*)*)>", text)
        begin = location.group(1).split(", ")[0] if location else ""
        places = re.findall(r"(?:(line)|([^\s<>,]+\.[chS])):(\d+):\d+", text)
        first = re.match(r"(?:(line)|([^\s<>,]+\.[chS])):(\d+):\d+", begin)
        if first:
            current = first.group(2) or current
            line = int(first.group(3))
        if "<IntegralToPointer>" in text and current:
            yield current, line
        if places:
            current = ([f for _, f, _ in places if f] or [current])[-1]
            line = int(places[-1][2])


found = {}
for source in sources("lib", ends=(".c",)):
    for path, line in casts(source):
        path = os.path.relpath(path, SRC)
        if path.startswith("lib/"):
            found.setdefault(path, set()).add(line)

report.rule("only files named in INT_TO_POINTER (tests/layering/rooms.py) make pointers of numbers",
            (f"{path}: lines {sorted(lines)}" for path, lines in sorted(found.items())
             if path not in INT_TO_POINTER))
report.rule("no file is named there for nothing",
            (p for p in INT_TO_POINTER if p not in found and os.path.exists(f"{SRC}/{p}")))
report.rule("lib/mm is not named there", (p for p in INT_TO_POINTER if p.startswith("lib/mm/")))
report.end()
