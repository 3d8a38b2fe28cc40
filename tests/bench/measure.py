# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs programs in alternating rounds: plain and preloaded, or any number of ways."""

import mmap
import os
import resource
import subprocess
import time
from dataclasses import dataclass

import harness
from rows import OURS, PLAIN, Row

PROGRAMS = harness.TOP_BUILDDIR / "tests" / "bench"
WALL = 0x40000000  # __WALL: the tasks of an engine send no signal when they end


@dataclass
class Usage:
    """Milliseconds."""
    wall: float
    cpu: float


FETCH = 256 << 20


def fetch_memory():
    """Memory that has been free for seconds the host of a virtual machine may have taken back; to
    get it again takes 5 to 9 us a page. So as much as a program needs has just been in use."""
    with mmap.mmap(-1, FETCH) as area:
        for _ in range(FETCH >> 20):
            area.write(b"\1" * (1 << 20))


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e3


def settle():
    """Wait for whatever a program left to us, its subreaper."""
    deadline = time.monotonic() + harness.GONE_SECONDS
    while True:
        try:
            pid, _ = os.waitpid(-1, WALL | os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            continue
        alive = harness.descendants()
        if time.monotonic() >= deadline:
            harness.kill_descendants()
            raise RuntimeError(f"left behind: {alive}")
        harness.wait_gone(next(iter(alive)), deadline)


class Bench:
    """@tiny: sizes that show that all works, and nothing else."""

    def __init__(self, arguments, work):
        self.quick, self.tiny, self.only = arguments.quick, arguments.tiny, arguments.only
        self.mthp = arguments.mthp
        self.work, self.rows, self.notes = work, [], []
        runtime, home = work / "run", work / "home"
        runtime.mkdir(mode=0o700)
        home.mkdir()
        self.plain_env = harness.environment(runtime, {
            "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TMPDIR": str(work)})
        del self.plain_env["SHADOWMM_START"]  # little processes sleep, as they do by default
        self.plain_env.pop("LD_PRELOAD", None)
        self.under_env = dict(self.plain_env)
        if not arguments.plain:
            self.under_env["LD_PRELOAD"] = str(harness.LIB)
        self.envs = {PLAIN: self.plain_env, OURS: self.under_env}

        self.userfaultfd = self.can_floor()

    def can_floor(self):
        argv = [str(PROGRAMS / "touch"), "sequential", "1", "1", "floor"]
        can = not subprocess.run(argv, env=self.plain_env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, check=False).returncode
        if not can:
            self.notes.append("floor is not measured: userfaultfd is not to be had")
        return can

    def wanted(self, name):
        return name.startswith(self.only) or self.only.startswith(name)

    def repetitions(self, wanted):
        if self.tiny:
            return 1
        return max(3, wanted // 5) if self.quick else wanted

    def size(self, full, quick, tiny):
        return tiny if self.tiny else quick if self.quick else full

    def output(self, argv, env):
        """The numbers a program prints."""
        text = subprocess.run(argv, env=env, cwd=self.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=True, timeout=300).stdout
        return [float(word) for word in text.split()]

    def run(self, program, *arguments, env):
        return self.output([str(PROGRAMS / program), *map(str, arguments)], env)

    @staticmethod
    def usage(argv, env):
        """Wall time from the spawn to the end, without Python's own pipes and threads. CPU
        time is that of all processes: each is reaped by its parent or, orphaned, by us, and
        its time goes with it. (A parent that ignores SIGCHLD would lose it.)"""
        null = os.open(os.devnull, os.O_RDWR)
        before = children_cpu()
        begin = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, env,
                              file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)])
        status = os.waitpid(pid, 0)[1]
        wall = (time.perf_counter() - begin) * 1e3
        os.close(null)
        settle()
        if status:
            raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), argv)
        return Usage(wall, children_cpu() - before)

    def rounds(self, wanted, ways, warm_up=False):
        """{name: what each call of ways[name]() returned}. Every second round goes backwards,
        so that nobody profits from his predecessor."""
        results = {name: [] for name in ways}
        for measure in ways.values() if warm_up else ():
            measure()
        for number in range(self.repetitions(wanted)):
            for name in list(ways)[::-1 if number % 2 else 1]:
                results[name].append(ways[name]())
        return results

    def add(self, row, show):
        self.rows.append(row)
        print(show(row), flush=True)
        return row

    def both(self, section, name, unit, wanted, measure, show):
        """A row of plain and preloaded runs of @measure(env), which returns one number."""
        if not name.startswith(self.only):
            return
        ways = {way: lambda env=env: measure(env) for way, env in self.envs.items()}
        self.add(Row(section, name, unit, self.rounds(wanted, ways, warm_up=True)), show)
