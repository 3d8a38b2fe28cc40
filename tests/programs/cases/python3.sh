# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3
# packages: python3
# verify: python3:7 echo
# timeout: 90
# Threads, subprocess, multiprocessing by fork, large lists, mmap, ctypes.
set -eu
python3 - <<'END'
import ctypes, hashlib, mmap, multiprocessing, os, subprocess, sys, threading, zlib

big = [i * i for i in range(1_000_000)]
print("list", sum(big))
table = {str(i): i for i in range(200_000)}
print("dict", len(table), table["199999"])
text = "".join(chr(97 + i % 26) for i in range(1_000_000))
print("text", hashlib.sha256(text.encode()).hexdigest())
print("zlib", len(zlib.decompress(zlib.compress(text.encode()))))

results = [0] * 8
def work(n):
    mine = bytearray(4 << 20)
    for i in range(0, len(mine), 4096):
        mine[i] = (i // 4096 + n) & 255
    results[n] = sum(mine[::4096])
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print("threads", results)

print("subprocess", subprocess.run(["echo", "hello"], capture_output=True).stdout)
print("shell", subprocess.getoutput("echo one | tr a-z A-Z"))
print("status", subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode)

context = multiprocessing.get_context("fork")
def square(n):
    return n * n + len(big)
with context.Pool(3) as pool:
    print("pool", sum(pool.map(square, range(500))))
    pool.close()
    pool.join()

queue = context.Queue()
def child(q, n):
    q.put((n, sum(big[:n * 1000])))
children = [context.Process(target=child, args=(queue, n)) for n in range(3)]
for c in children: c.start()
print("queue", sorted(queue.get() for _ in children))
for c in children: c.join()
print("codes", [c.exitcode for c in children])

area = mmap.mmap(-1, 8 << 20)
area[0:5] = b"hello"; area[-5:] = b"world"
pid = os.fork()
if pid == 0:
    area[5:10] = b" from"
    os._exit(0)
os.waitpid(pid, 0)
print("shared", area[:10], area[-5:])
area.close()

private = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
private[4096] = 7
pid = os.fork()
if pid == 0:
    ok = private[4096] == 7 and private[8192] == 0
    private[4096] = 9
    os._exit(0 if ok and private[4096] == 9 else 1)
print("private", os.waitpid(pid, 0)[1], private[4096])
print("ctypes", ctypes.CDLL(None).strlen(b"four"))
END
