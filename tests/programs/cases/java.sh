# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: java javac
# packages: default-jdk-headless
# verify: javac java:3
# timeout: 120
# javac, then garbage collection work on several threads under three collectors.
set -eu
cat >Main.java <<'END'
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
public class Main {
	static long work(int n) {
		Map<Integer, byte[]> map = new HashMap<>();
		long sum = 0;
		for (int i = 0; i < 60000; i++) {
			map.put(i % 2000, new byte[1000 + i % 7]);
			sum += map.get(i % 2000).length * (long) n;
		}
		return sum;
	}
	static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
	static boolean overflows() {
		try { depth(100_000_000); return false; } catch (StackOverflowError e) { return true; }
	}
	public static void main(String[] args) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Future<Long>> all = new ArrayList<>();
		for (int i = 0; i < 8; i++) { int n = i; all.add(pool.submit(() -> work(n))); }
		for (Future<Long> f : all) System.out.println("work " + f.get());
		pool.shutdown();
		System.out.println("stream " + IntStream.range(0, 1_000_000).mapToObj(i -> "s" + i).mapToLong(String::length).sum());
		System.out.println("sorted " + new Random(1).ints(500_000).boxed().sorted().skip(1000).findFirst().get());
		System.out.println("depth " + depth(2000) + " overflow " + overflows());
		Object o = null;
		try { o.hashCode(); } catch (NullPointerException e) { System.out.println("null pointer caught"); }
		try { byte[][] b = new byte[1000][]; for (int i = 0; i < 1000; i++) b[i] = new byte[1 << 20]; System.out.println("no OOM"); }
		catch (OutOfMemoryError e) { System.out.println("out of memory caught"); }
		Process p = new ProcessBuilder("echo", "spawned").redirectErrorStream(true).start();
		System.out.println(new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor());
	}
}
END
javac -J-Xmx256m -d . Main.java
for gc in Serial Parallel G1; do
	echo "$gc"
	java -Xmx128m -XX:+Use${gc}GC Main
done
