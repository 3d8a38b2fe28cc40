# SPDX-License-Identifier: LGPL-2.1-or-later
"""Areas and blocks that come and go: mmap and munmap, malloc and free."""

import table

SECTION = "churn"
PAIRS = {"4 KiB": (4096, 200000), "64 KiB": (65536, 200000), "1 MiB": (1 << 20, 100000),
         "64 MiB": (64 << 20, 50000)}
HEAP = {"malloc+free, 2,000 blocks": ("churn", 200000), "malloc, none freed": ("grow", 8000)}


def measure(bench):
    for label, (size, count) in PAIRS.items():
        count = bench.size(count, count, 10)
        bench.both(SECTION, f"mmap+munmap {label}", "ns", 11,
                   lambda env, size=size, count=count:
                   bench.run("pairs", size, count, env=env)[0], table.two)
    areas = bench.size(60000, 60000, 100)
    bench.both(SECTION, f"mmap+munmap among {areas:,} areas", "ns", 7,
               lambda env: bench.run("lookup", "pair", areas, env=env)[0], table.two)
    for label, (mode, count) in HEAP.items():
        count = bench.size(count, count, 10)
        bench.both(SECTION, label, "ns", 11,
                   lambda env, mode=mode, count=count:
                   bench.run("heap", mode, count, env=env)[0], table.two)
