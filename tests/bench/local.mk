# What it costs: make bench [BENCH="--quick --only mmap"]. Never part of make check, but
# for the smoke test.
BENCH_PROGRAM_FILES = tests/bench/pairs tests/bench/heap tests/bench/touch \
	tests/bench/latency tests/bench/rss tests/bench/lookup tests/bench/bench_model \
	tests/bench/files
check_PROGRAMS += $(BENCH_PROGRAM_FILES)
tests_bench_pairs_SOURCES = tests/bench/pairs.c tests/bench/bench.h
tests_bench_heap_SOURCES = tests/bench/heap.c tests/bench/bench.h
BENCH_FLOOR = tests/bench/floor.c tests/bench/floor.h tests/bench/bench.h
tests_bench_touch_SOURCES = tests/bench/touch.c $(BENCH_FLOOR)
tests_bench_touch_LDADD = -lpthread
tests_bench_latency_SOURCES = tests/bench/latency.c $(BENCH_FLOOR)
tests_bench_latency_LDADD = -lpthread
tests_bench_files_SOURCES = tests/bench/files.c $(BENCH_FLOOR)
tests_bench_files_LDADD = -lpthread
tests_bench_rss_SOURCES = tests/bench/rss.c tests/bench/bench.h
tests_bench_lookup_SOURCES = tests/bench/lookup.c tests/bench/bench.h \
	tests/bench/contest.c tests/bench/contest.h
tests_bench_lookup_LDADD = -lpthread
# The objects of the library: its flags decide what a lookup costs.
tests_bench_bench_model_SOURCES = tests/bench/bench_model.c tests/bench/bench.h \
	tests/bench/contest.c tests/bench/contest.h
tests_bench_bench_model_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE
tests_bench_bench_model_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS)
tests_bench_bench_model_LDADD = lib/mm/libmm.la lib/base/libbase.la -lpthread
BENCH_PY = tests/bench/bench.py tests/bench/bars.py tests/bench/churn.py tests/bench/files.py \
	tests/bench/latency.py tests/bench/lookups.py tests/bench/measure.py tests/bench/programs.py \
	tests/bench/rows.py tests/bench/start.py tests/bench/table.py tests/bench/touch.py
# That all of it runs, with tiny sizes: nothing is judged.
TESTS += tests/bench/smoke.py
EXTRA_DIST += $(BENCH_PY) tests/bench/smoke.py

# The library's own memory with 60,000 areas, which is within vm.max_map_count.
check_PROGRAMS += tests/bench/areas
tests_bench_areas_SOURCES = tests/bench/areas.c tests/bench/bench.h

# First writes after a fork: by hand, see the file.
check_PROGRAMS += tests/bench/cow
tests_bench_cow_SOURCES = tests/bench/cow.c tests/bench/bench.h
tests_bench_cow_LDADD = -lpthread

.PHONY: bench-memory
bench-memory: all tests/bench/areas
	./shadowmm run --min-own=0 -- tests/bench/areas ./shadowmm 60000

RUN_BENCH = $(TEST_DRIVER) $(abs_top_srcdir)/tests/bench/bench.py
.PHONY: bench bench-lookups
bench: all $(BENCH_PROGRAM_FILES)
	$(RUN_BENCH) --json tests/bench/bench.json --markdown tests/bench/bench.md $(BENCH)
bench-lookups: all $(BENCH_PROGRAM_FILES)
	$(RUN_BENCH) --only find_vma --json tests/bench/lookups.json \
		--markdown tests/bench/lookups.md $(BENCH)
CLEANFILES += tests/bench/bench.json tests/bench/bench.md tests/bench/lookups.json \
	tests/bench/lookups.md
EXTRA_DIST += doc/benchmarks.md
