# SPDX-License-Identifier: LGPL-2.1-or-later
"""The part of make bench about find_vma(): ours, a rwlock's and the kernel's, among 10, 1,000
and 60,000 areas, each with and without a writer on the other CPU; and what a change costs."""

import statistics

from rows import quartiles

AREAS = (10, 1000, 60000)
# way: (program, its argument, preloaded). The first is the product; the second is the same
# search without the public function around it.
WAYS = {
    "shadowmm_find_vma": ("lookup", "library", True),
    "the model": ("bench_model", "find", False),
    "rwlock": ("bench_model", "rwlock", False),
    "PROCMAP_QUERY": ("lookup", "ioctl", False),
    "/proc/self/maps": ("lookup", "maps", False),
}
UPDATES = {"merges with nothing": "alone", "merges and is cut off": "join"}
MAX_NS, MAX_BUSY, MIN_KERNEL, MAX_UPDATE_NS = 60, 1.3, 20, 1000


def summary(name, areas, runs):
    alone, busy, rate = zip(*runs)
    return {"name": name, "areas": areas, "alone": quartiles(alone), "busy": quartiles(busy),
            "changes_per_second": statistics.median(rate), "runs": len(runs),
            "ratio": statistics.median(b / a for a, b in zip(alone, busy))}


def measure(bench, wanted):
    """Every way in turn, again and again, so that a drifting machine hits all alike."""
    rows, updates = [], []
    for areas in AREAS[:1] if bench.tiny else AREAS:
        runs = {name: [] for name in WAYS}
        changes = {name: [] for name in UPDATES}
        for _ in range(bench.repetitions(wanted)):
            for name, (program, argument, under) in WAYS.items():
                env = bench.under_env if under else bench.plain_env
                runs[name].append(bench.run(program, argument, areas, env=env))
            for name, argument in UPDATES.items():
                changes[name] += bench.run("bench_model", argument, areas, env=bench.plain_env)
        rows += [summary(name, areas, values) for name, values in runs.items()]
        # A pair is two calls.
        updates += [{"name": name, "areas": areas, "runs": len(values),
                     "call": quartiles([value / 2 for value in values])}
                    for name, values in changes.items()]
        print(text(rows[-len(WAYS):], updates[-len(UPDATES):]), flush=True)
    return {"lookups": rows, "updates": updates}


def text(rows, updates):
    lines = [f"find_vma {r['areas']:>6} {r['name']:<20} ns {r['alone']['median']:13.1f}  "
             f"[{r['alone']['q1']:.1f} {r['alone']['q3']:.1f}]  {r['busy']['median']:13.1f}  "
             f"[{r['busy']['q1']:.1f} {r['busy']['q3']:.1f}]  x{r['ratio']:.2f}" for r in rows]
    lines += [f"update   {u['areas']:>6} {u['name']:<20} ns {u['call']['median']:13.1f}  "
              f"[{u['call']['q1']:.1f} {u['call']['q3']:.1f}]" for u in updates]
    return "\n".join(lines)


def aims(result):
    """(what, figure, limit, met) at the largest number of areas."""
    most = result["lookups"][-1]["areas"]
    row = {r["name"]: r for r in result["lookups"] if r["areas"] == most}
    ours, kernel = row["shadowmm_find_vma"], row["PROCMAP_QUERY"]
    times = kernel["alone"]["median"] / ours["alone"]["median"]
    yield ("shadowmm_find_vma, ns", ours["alone"]["median"], f"< {MAX_NS}",
           ours["alone"]["median"] < MAX_NS)
    yield "with a writer, times", ours["ratio"], f"<= {MAX_BUSY}", ours["ratio"] <= MAX_BUSY
    yield "faster than PROCMAP_QUERY, times", times, f">= {MIN_KERNEL}", times >= MIN_KERNEL
    for update in result["updates"]:
        if update["areas"] == most:
            ns = update["call"]["median"]
            yield (f"update that {update['name']}, ns a call", ns, f"< {MAX_UPDATE_NS}",
                   ns < MAX_UPDATE_NS)


def cell(values):
    return f"{values['median']:.1f} ({values['q1']:.1f} - {values['q3']:.1f})"


def markdown(result):
    lines = ["", "| areas | lookup by | alone, ns | with a writer, ns | ratio | writer's pairs/s |",
             "|---|---|---|---|---|---|"]
    lines += [f"| {r['areas']} | {r['name']} | {cell(r['alone'])} | {cell(r['busy'])} "
              f"| {r['ratio']:.2f} | {r['changes_per_second']:.0f} |" for r in result["lookups"]]
    lines += ["", "| areas | update that | ns a call |", "|---|---|---|"]
    lines += [f"| {u['areas']} | {u['name']} | {cell(u['call'])} |" for u in result["updates"]]
    lines += ["", f"| aim, {AREAS[-1]} areas | measured | aim | |", "|---|---|---|---|"]
    lines += [f"| {what} | {figure:.1f} | {limit} | {'met' if met else 'missed'} |"
              for what, figure, limit, met in aims(result)]
    return lines
