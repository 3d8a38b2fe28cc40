#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who includes whom, who enters the kernel, and the words that are not ours to use."""
import os
import re

from rooms import (BANNED_LIB, BANNED_TOOLS, COMPILER_HEADERS, INCLUDE_EXCEPTIONS, INCLUDES,
                   PURE, ROOMS, Report, code, matches, read, sources)

report = Report()


def includes(path):
    for place, m in matches(path, r"(?m)^[ \t]*#[ \t]*include[ \t]+[<\"]([^>\"]+)[>\"]",
                            code(path, keep_strings=True)):
        yield place, m.group(1)


def allowed(room, path, header):
    if (path, header) in INCLUDE_EXCEPTIONS:
        return True
    if m := re.match(r"lib/(\w+)/", header):
        return m.group(1) == room or m.group(1) in ROOMS[room]
    return any(re.fullmatch(p, header) for p in INCLUDES[room])


for room in ROOMS:
    report.rule(f"includes of lib/{room}",
                (f"{place}: {header}" for path in sources(f"lib/{room}")
                 for place, header in includes(path) if not allowed(room, path, header)))
report.rule("every directory of lib/ is a room of tests/layering/rooms.py",
            (p for p in sources("lib") if p != "lib/main.c" and p.split("/")[1] not in ROOMS))
report.rule("includes of include/: what any program may include",
            (f"{place}: {header}" for path in sources("include")
             for place, header in includes(path)
             if not re.fullmatch(COMPILER_HEADERS + r"|shadowmm/.*", header)))
report.rule("tools/ never includes lib/",
            (f"{place}: {header}" for path in sources("tools")
             for place, header in includes(path) if "lib/" in header))
report.rule("quoted includes below lib/ name the path from the top",
            (f"{place}: {header}" for path in sources("lib")
             for place, header in includes(path)
             if not os.path.dirname(header) and header != "config.h"
             and (path, header) not in INCLUDE_EXCEPTIONS
             and re.search(r'#\s*include\s+"%s"' % re.escape(header), read(path))))


def outside(*rooms):
    return [p for p in sources("lib") if not p.startswith(tuple(f"lib/{r}/" for r in rooms))]


report.rule("only lib/sys and lib/hook's thunks contain the syscall instruction",
            (f"{place}" for path in outside("sys", "hook")
             # /syscall: a file of /proc
             for place, m in matches(path, r"(?<!/)\bsyscall\s*(\\n|\"|$)",
                                     code(path, keep_strings=True))))
report.rule("only lib/sys makes calls of sys_callN(); the hooks pass on the program's by sys_call6()",
            (f"{place}: {m.group()}" for path in outside("sys")
             for place, m in matches(path, r"\bsys_call[0-6]\b", code(path))
             if not (path.startswith("lib/hook/") and m.group() == "sys_call6")))
report.rule("lib/base and lib/mm call no sys_*()",
            (f"{place}: {m.group()}" for room in PURE for path in sources(f"lib/{room}")
             for place, m in matches(path, r"\bsys_\w+\s*\(", code(path))))


def banned(words, *tops):
    # Not members (arena.free), not our own prefixed names.
    # Nor entries of a table of system calls.
    pattern = r"(?<![\w.>])(?<!X\()(%s)\b(?!\.h)" % "|".join(words)
    calls = r"(?<![\w.>])(free|close|read|write|open|mmap|munmap|kill|signal|sigaction)\s*\("
    for path in sources(*tops):
        text = re.sub(r"(?m)^[ \t]*#[ \t]*include.*$", "", code(path))
        for place, m in matches(path, pattern, text):
            yield f"{place}: {m.group(1)}"
        if tops == ("lib",):
            for place, m in matches(path, calls, text):
                yield f"{place}: {m.group(1)}()"


report.rule("lib/ uses no libc function", banned(BANNED_LIB, "lib"))
report.rule("tools/ uses no banned function", banned(BANNED_TOOLS, "tools"))
report.end()
