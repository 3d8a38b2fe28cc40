# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3
# packages: python3
# verify: python3:6
# timeout: 300
# under: SHADOWMM_COW=own
# As gunicorn does it: the parent loads PREFORK_MB (60) and forks workers that accept on one
# socket; some requests change what was loaded. Each worker knows what it changed, and looks at
# everything before it ends. One of them is killed, and replaced, on the way.
set -eu
python3 - <<'END'
import os, shlex, signal, socket, subprocess, threading

megabytes = int(os.environ.get("PREFORK_MB", "60"))
count = megabytes * 1024 * 1024 // 400
data = {i: [i, "value-%d" % i, bytes([i & 255]) * 128] for i in range(count)}
listener = socket.socket(socket.AF_UNIX)
listener.bind("s")
listener.listen(64)
stopped = False


def right(i, value, changes):
    return value == [i + changes, "value-%d" % i, bytes([i + changes & 255]) * 128]


def answer(line, changes):
    """get: the same in every worker, whatever it has changed."""
    verb, i = line.split()
    i = int(i)
    value = data[i]
    if verb == "set":
        changes[i] = changes.get(i, 0) + 1
        value[0] += 1
        value[2] = bytes([value[0] & 255]) * 128
    return "%d %s %d" % (value[0] - changes.get(i, 0), value[1],
                         value[2][0] - changes.get(i, 0) & 255)


def work():
    changes = {}
    while True:
        connection = listener.accept()[0]
        with connection, connection.makefile("rw") as file:
            for line in file:
                if line == "end\n":
                    wrong = [i for i in data if not right(i, data[i], changes.get(i, 0))]
                    file.write("wrong %s\n" % wrong[:5])
                    file.flush()
                    os._exit(bool(wrong))
                file.write(answer(line, changes) + "\n")
                file.flush()


def start():
    pid = os.fork()
    if pid == 0:
        work()
    return pid


def ask(n, results):
    """A client: 20 connections of 200 requests."""
    bad, random = 0, n
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("s")
            with s.makefile("rw") as file:
                for _ in range(200):
                    random = (random * 1103515245 + 12345) & 0x7fffffff
                    i = (random >> 4) % count
                    file.write("%s %d\n" % ("set" if random % 3 else "get", i))
                    file.flush()
                    bad += file.readline() != "%d value-%d %d\n" % (i, i, i & 255)
    results.append(bad)


def load():
    results = []
    clients = [threading.Thread(target=ask, args=(n, results)) for n in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    print("wrong answers", sum(results), "of clients", len(results))


def verify(forks):
    for tool, option in ("VERIFY_NOW", "--forks"), ("COW_NOW", "--own"):
        print(subprocess.run([*shlex.split(os.environ[tool]), option, str(forks),
                              str(os.getpid())], stdout=subprocess.PIPE, text=True).stdout,
              end="")


workers = {start() for _ in range(4)}
load()
verify(5)
killed = workers.pop()
os.kill(killed, signal.SIGKILL)
print("killed", os.waitpid(killed, 0)[1])
# What the parent changes now is in the new worker, and only there.
for i in range(0, count, 50):
    data[i] = [i, "value-%d" % i, bytes([i & 255]) * 128]
workers.add(start())
load()
verify(5)
while workers:
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("s")
        with s.makefile("rw") as file:
            file.write("end\n")
            file.flush()
            print(file.readline(), end="")
    pid, status = os.wait()
    workers.remove(pid)
    print("worker", status)
print("parent", sum(not right(i, data[i], 0) for i in data))
END
