#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No vector or x87 register in code that hooks may run: the thunks do not save them."""
import os
import re

from rooms import BUILD, OBJDUMP, ROOMS, VECTOR_OBJECTS, Report, archives, run

REGISTER = re.compile(r"%(xmm|ymm|zmm|mm)[0-9]|%st\b|%k[0-7]\b|\bf(ld|st|n?init)")
allowed = tuple(VECTOR_OBJECTS)
report = Report()


def users(*paths):
    """Functions of the objects in @paths that name such a register."""
    obj = function = "?"
    found = {}
    for line in run(OBJDUMP, "-d", "--no-show-raw-insn", *paths).splitlines():
        if m := re.match(r"(\S+):\s+file format", line):
            obj = m.group(1)
        elif m := re.match(r"[0-9a-f]+ <(.*)>:", line):
            function = m.group(1)
        elif "\t" in line and not obj.endswith(allowed) and REGISTER.search(line):
            found.setdefault(f"{obj}: {function}", line.strip())
    return [f"{place}: {line}" for place, line in found.items()]


for name in ROOMS:
    report.rule(f"lib/{name} uses general registers only", users(*archives(name)))
# lib/main.c has no archive; its object is the one that is left.
report.rule("lib/main.c uses general registers only",
            users(os.path.join(BUILD, "lib", ".libs", "libshadowmm_la-main.o")))
report.end()
