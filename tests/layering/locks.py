#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lib/base/lockrank.h is the one ordered list of locks; doc/locking.md explains it."""
import re

from rooms import Report, code, matches, read, sources

report = Report()
HEADER = "lib/base/lockrank.h"
enum = re.search(r"enum lock_rank\s*{(.*?)}", code(HEADER), re.S).group(1)
ranks = [r for r in re.findall(r"\bLOCK_\w+", enum) if r != "LOCK_NR"]

inits = []
for path in sources("lib"):
    for place, m in matches(path, r"(?<!void )\bmutex_init\s*\(([^;]*)\)\s*;", code(path)):
        lock, rank = (a.strip() for a in m.group(1).rsplit(",", 1))
        # A static lock is named by its file as well; a fork child may make it anew.
        inits.append((place, rank, (path if re.fullmatch(r"&\w+", lock) else "", lock)))

report.rule("every mutex_init() names a rank of lib/base/lockrank.h",
            (f"{place}: {rank}" for place, rank, lock in inits if rank not in ranks))
report.rule("every rank has exactly one lock",
            (f"{rank}: {[p for p, r, lock in inits if r == rank] or 'no mutex_init()'}"
             for rank in ranks if len({lock for p, r, lock in inits if r == rank}) != 1))
report.rule("every struct mutex is initialised by mutex_init()",
            (f"{place}: {m.group(1)}" for path in sources("lib")
             if not path.startswith("lib/sys/mutex")
             for place, m in matches(path, r"\bstruct mutex (\w+)\s*[;=]", code(path))
             if not any(re.search(r"\bmutex_init\s*\([^;]*\b%s\b" % m.group(1), code(p))
                        for p in sources("lib"))))
documented = re.findall(r"(?m)^\| *`(LOCK_\w+)`", read("doc/locking.md"))
report.rule("doc/locking.md lists the same ranks in the same order",
            [] if documented == ranks else [f"{HEADER}: {ranks}", f"doc/locking.md: {documented}"])
report.end()
