# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that are over before they began: /bin/true, alone and from a shell."""

import table
from rows import Row

SECTION = "start"
TRUE, SHELL = "start /bin/true", "shell runs /bin/true"
LOOP = "i=0; while [ $i -lt {} ]; do /bin/true; i=$((i + 1)); done"


def measure(bench):
    bench.both(SECTION, TRUE, "ms", 100,
               lambda env: bench.usage(["/bin/true"], env).wall, table.two)
    if not bench.wanted(SHELL):
        return
    count = bench.size(1000, 200, 3)
    argv = ["sh", "-c", LOOP.format(count)]
    runs = bench.rounds(9, {way: lambda env=env: bench.usage(argv, env)
                            for way, env in bench.envs.items()}, warm_up=True)
    for what in ("wall", "cpu"):
        bench.add(Row(SECTION, f"{SHELL} {count:,}x, {what}", "ms",
                      {way: [getattr(u, what) for u in usages] for way, usages in runs.items()},
                      {"shell": what}), table.two)
