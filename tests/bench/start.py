# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that are over before they began: /bin/true, alone and from a shell."""

import table

SECTION = "start"
LOOP = "i=0; while [ $i -lt {} ]; do /bin/true; i=$((i + 1)); done"


def measure(bench):
    bench.both(SECTION, "start /bin/true", "ms", 100,
               lambda env: bench.usage(["/bin/true"], env).wall, table.two)
    count = bench.size(1000, 200, 3)
    loop = ["sh", "-c", LOOP.format(count)]
    for name, what in (("", "wall"), (", CPU", "cpu")):
        bench.both(SECTION, f"shell runs /bin/true {count}x{name}", "ms", 9,
                   lambda env, what=what: getattr(bench.usage(loop, env), what), table.two)
