# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3
# packages: python3
# verify: python3:3
# timeout: 60
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# The lectures' example: cat and tac map the same file. How much memory do they use
# together? What both have counts once, whoever pages it.
set -eu
head -c 8388608 /dev/urandom >big
python3 - <<'END'
import json, os, subprocess, sys, time

READER = """
import mmap, os, sys
with open("big", "rb") as f:
    m = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE,
                  prot=mmap.PROT_READ | mmap.PROT_WRITE)
n = len(m) // 4096
# Three quarters of it, from the beginning or from the end.
order = range(n * 3 // 4) if sys.argv[1] == "cat" else range(n - 1, n // 4 - 1, -1)
# A first write takes a whole huge page of a file out of the page table: it comes first.
if sys.argv[1] == "tac":
    m[n // 2 * 4096] = 1
total = sum(m[i * 4096] for i in order)
print("ready", flush=True)
sys.stdin.readline()
# With the mapping.
os._exit(0)
"""
# Frames are shared of files that have not changed for two seconds.
time.sleep(max(0, os.stat("big").st_ctime + 2.1 - time.time()))
readers = [subprocess.Popen([sys.executable, "-c", READER, name], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True) for name in ("cat", "tac")]
for reader in readers:
    assert reader.stdout.readline() == "ready\n"
reply = subprocess.run([os.environ["SMM_CLI"], "shared", "--json"] +
                       [str(reader.pid) for reader in readers],
                       stdout=subprocess.PIPE, check=True, text=True).stdout
areas = []
for process in json.loads(reply)["processes"]:
    areas += [a for a in process["areas"] if a.get("host", a["name"]) == os.path.abspath("big")]
    # What is counted is of one kind, and either shared or not.
    for c in [process] + process["areas"]:
        assert c["resident"] == c["here"] + c["shared"]
        assert c["resident"] == c["anon"] + c["file"] + c["shmem"] + c["library"]
areas = [a for a in areas if a["resident"]]
print(len(areas), "mappings")
pages = [a["resident"] for a in areas]
print("each three quarters or more:", all(n >= 2048 * 3 // 4 for n in pages))
print("shared: half of it or more:", [a["shared"] >= 1023 for a in areas])
# And one page that tac has written to.
print("together:", sum(a["here"] for a in areas) + areas[0]["shared"])
print("written to:", [a["anon"] for a in areas], "shmem:", [a["shmem"] for a in areas])
for reader in readers:
    reader.communicate("\n")
END
