# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every test driver needs: run a program plain or under shadowmm, bounded in time,
and find out what it left behind.

The driver makes itself the child subreaper, so that whatever a program forks, daemons and
engine processes included, stays a descendant of the driver: nothing is looked up by name,
and only processes the driver's own runs created are ever killed.
"""

import ctypes
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GONE_SECONDS = 2.0  # an engine has this long to end after its program

TOP_BUILDDIR = Path(os.environ.get("top_builddir", ".")).resolve()
LIB = Path(os.environ.get("SMM_LIB", TOP_BUILDDIR / ".libs" / "libshadowmm.so"))
CLI = Path(os.environ.get("SMM_CLI", TOP_BUILDDIR / "shadowmm"))


def library_missing():
    """One line that says what is not built, or None."""
    for path in (LIB, CLI):
        if not path.exists():
            return f"library not built: {path} is missing (run make, or set SMM_LIB and SMM_CLI)"
    return None


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


# --- processes -----------------------------------------------------------------------


def read_proc(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError as error:
        return f"({error.strerror})"


def process_table():
    """{pid: (parent, state, comm)} of every process now."""
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        stat = read_proc(entry, "stat")
        end = stat.rfind(")")
        if not stat.startswith(entry):
            continue  # it ended meanwhile
        state, parent = stat[end + 2:].split()[:2]
        table[int(entry)] = (int(parent), state, stat[stat.find("(") + 1:end])
    return table


def descendants(root=None):
    """{pid: (state, comm)} of everything below the driver (or @root)."""
    table = process_table()
    found = {}
    frontier = [root or os.getpid()]
    while frontier:
        parent = frontier.pop()
        for pid, (ppid, state, comm) in table.items():
            if ppid == parent and pid not in found:
                found[pid] = (state, comm)
                frontier.append(pid)
    return found


def reap_orphans(keep=()):
    """Reap zombies that were re-parented to the driver; @keep belong to subprocess."""
    table = process_table()
    for pid, (ppid, state, _) in table.items():
        if ppid == os.getpid() and state == "Z" and pid not in keep:
            try:
                os.waitpid(pid, os.WNOHANG | 0x40000000)  # __WALL
            except ChildProcessError:
                pass


def wait_gone(pid, deadline):
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.poll(max(0, int((deadline - time.monotonic()) * 1000)))
    finally:
        os.close(fd)


class ChildEvents:
    """Wakes on SIGCHLD: orphans must be reaped at once, somebody may wait for their end."""

    def __enter__(self):
        self.read, self.write = socket.socketpair()
        self.write.setblocking(False)
        self.old_handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        self.old_fd = signal.set_wakeup_fd(self.write.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_):
        signal.set_wakeup_fd(self.old_fd)
        signal.signal(signal.SIGCHLD, self.old_handler)
        self.read.close()
        self.write.close()

    def wait(self, process, timeout, watch=None):
        """Wait for @process, reaping others meanwhile. None, or why it must not go on.
        @watch is called each second and may return such a reason."""
        deadline = time.monotonic() + timeout
        next_watch = time.monotonic() + 1 if watch else deadline
        while process.poll() is None:
            reap_orphans(keep={process.pid})
            now = time.monotonic()
            if now >= deadline:
                return f"no end after {timeout} s"
            if now >= next_watch:
                next_watch = now + 1
                reason = watch()
                if reason:
                    return reason
            if select.select([self.read], [], [], max(0, min(deadline, next_watch) - now))[0]:
                self.read.recv(4096)
        return None


def leftovers():
    """Descendants that are still there GONE_SECONDS after the run: ["pid comm state"]."""
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        reap_orphans()
        alive = descendants()
        if not alive or time.monotonic() >= deadline:
            return [f"{pid} {comm} ({state})" for pid, (state, comm) in alive.items()]
        wait_gone(next(iter(alive)), deadline)


def kill_descendants():
    """Kill what our runs created, until nothing is left."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        reap_orphans()
        alive = descendants()
        if not alive:
            return
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in alive:
            wait_gone(pid, deadline)


def hang_report():
    """Where each thread of each descendant stands."""
    lines = []
    for pid, (state, comm) in descendants().items():
        lines.append(f"--- {pid} {comm} ({state})")
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for tid in tasks[:16]:
            base = f"{pid}/task/{tid}"
            lines.append(f"  task {tid} wchan {read_proc(base, 'wchan')} "
                         f"syscall {read_proc(base, 'syscall').strip()}")
            lines += ["    " + text for text in read_proc(base, "stack").splitlines()[:8]]
        wanted = ("State", "TracerPid", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigCgt")
        lines += ["  " + text for text in read_proc(pid, "status").splitlines()
                  if text.startswith(wanted)]
    return lines


# --- one run -------------------------------------------------------------------------


@dataclass
class Verify:
    """The file of `shadowmm run --verify-at-exit`."""
    lines: list = field(default_factory=list)  # (pid, comm, areas, differences)
    detail: list = field(default_factory=list)
    malformed: list = field(default_factory=list)

    @classmethod
    def read(cls, path):
        result = cls()
        text = path.read_text(errors="replace") if path.exists() else ""
        for line in text.splitlines():
            if line.startswith("#"):
                result.detail.append(line)
                continue
            parts = line.split()
            try:
                # comm may contain blanks
                result.lines.append((int(parts[0]), " ".join(parts[1:-2]), int(parts[-2]),
                                     int(parts[-1])))
            except (ValueError, IndexError):
                result.malformed.append(line)
        return result

    def problems(self, expected):
        """@expected: {"comm" or "comm|other": least number of lines}."""
        found = [f"verify: malformed line {line!r}" for line in self.malformed]
        for pid, comm, _, differences in self.lines:
            if differences:
                found.append(f"verify: {differences} differences in {comm} ({pid})")
        if any(line[3] for line in self.lines):
            found += self.detail[:20]
        # Asleep, they have no lines.
        counted = os.environ.get("SHADOWMM_START", "now") == "now"
        for names, least in expected.items() if counted else ():
            # stress-ng and others append to their names: a prefix counts
            seen = sum(line[1].startswith(tuple(names.split("|"))) for line in self.lines)
            if seen < least:
                found.append(f"verify: {seen} lines of {names}, expected at least {least}")
        return found


@dataclass
class Run:
    status: int = 0  # as subprocess: negative is a signal
    seconds: float = 0.0
    out: bytes = b""
    err: bytes = b""
    verify: Verify = None
    figures: list = field(default_factory=list)  # of $COW_NOW
    problems: list = field(default_factory=list)


def control_sockets(runtime_dir):
    return [str(path) for path in Path(runtime_dir).rglob("*") if path.is_socket()]


def our_shm():
    return {name for name in os.listdir("/dev/shm") if "smm" in name or "shadowmm" in name}


def environment(runtime_dir, extra=None):
    env = dict(os.environ)
    for name in list(env):
        if name.startswith("SHADOWMM_") and name not in ("SHADOWMM_INTERCEPT", "SHADOWMM_START"):
            del env[name]
    env.setdefault("SHADOWMM_START", "now")
    env.update(LC_ALL="C", TZ="UTC", SHADOWMM_QUIET="1", XDG_RUNTIME_DIR=str(runtime_dir))
    env["SMM_CLI"] = str(CLI)
    # A version manager's python3 is a shell script that looks for the real one.
    env["PATH"] = os.path.dirname(os.path.realpath(sys.executable)) + ":" + env["PATH"]
    env.update(extra or {})
    return env


def tool_now(name, under):
    """$VERIFY_NOW and $COW_NOW of the cases: what they call while their programs run, if no
    tracer makes the answers slow."""
    script = Path(__file__).resolve().parent / name
    return f"env -u LD_PRELOAD {sys.executable} -B {script}" if under else "true"


def under_command(argv, verify=None, options=()):
    verify_option = ["--verify-at-exit", str(verify)] if verify else []
    return [str(CLI), "run", *options, *verify_option, "--", *argv]


def run(argv, *, under=False, timeout=60, cwd=None, env=None, prefix=(), verify=True,
        watch=None):
    """Run @argv in a directory and a session of its own. @prefix goes before everything
    (a tracer). @verify: ask for the verify file. @watch(pid, output) is called each second
    and may return why the run must end. Never leaves a process behind."""
    with tempfile.TemporaryDirectory(prefix="smm-run.") as top:
        top = Path(top)
        work, runtime, verify_file = top / "work", top / "run", top / "verify"
        work.mkdir()
        runtime.mkdir(mode=0o700)
        # A program may become nobody (nginx's workers) and must still reach these two.
        top.chmod(0o755)
        verify_file.touch()
        verify_file.chmod(0o666)
        shm_before = our_shm()
        now = under and not prefix
        full_env = environment(runtime, dict(env or {}, TMPDIR=str(work),
                                             VERIFY_NOW=tool_now("verify_now.py", now),
                                             COW_NOW=tool_now("cow_now.py", now),
                                             COW_FIGURES=str(top / "figures")))
        if under:
            argv = under_command(argv, verify_file if verify else None)
        result = Run()
        with open(top / "out", "wb") as out, open(top / "err", "wb") as err:
            begin = time.monotonic()
            with ChildEvents() as events:
                process = subprocess.Popen([*prefix, *argv], cwd=cwd or work, env=full_env,
                                           stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                           start_new_session=True)
                reason = events.wait(process, timeout,
                                     watch and (lambda: watch(process.pid, top / "out")))
                if reason:
                    result.problems += [reason, *hang_report()]
                    process.kill()
                result.status = process.wait()
            result.seconds = time.monotonic() - begin
        left = leftovers()
        if left:
            result.problems.append("processes left behind: " + ", ".join(left))
            result.problems += hang_report()
            kill_descendants()
        if control_sockets(runtime):
            result.problems.append("sockets left behind: " + " ".join(control_sockets(runtime)))
        links = [path.name for path in runtime.rglob("cache-*")]
        if links:
            result.problems.append("links left behind: " + " ".join(links))
        if our_shm() - shm_before:
            result.problems.append("left in /dev/shm: " + " ".join(our_shm() - shm_before))
        result.out = (top / "out").read_bytes()
        result.err = (top / "err").read_bytes()
        result.verify = Verify.read(verify_file)
        if (top / "figures").exists():
            result.figures = (top / "figures").read_text().splitlines()
        return result


def show(title, lines, limit=40):
    print(f"    {title}")
    for line in lines[:limit]:
        print("      " + line)
    if len(lines) > limit:
        print(f"      ... {len(lines) - limit} more")


def terminate_cleanly():
    """SIGTERM ends the driver as Ctrl-C does: through its clean-up."""
    def stop(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)


def begin(arguments):
    """What the programs that run trees of processes for @arguments.seconds begin with. Their
    seed: @arguments.seed, or one by chance; printed."""
    if not arguments.plain and library_missing():
        sys.exit(library_missing())
    seed = int(arguments.seed or random.randrange(1 << 31))
    print(f"seed {seed}, {arguments.seconds} seconds", flush=True)
    become_subreaper()
    terminate_cleanly()
    return seed


def end(results):
    """The last line, and the exit status."""
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return not all(results)
