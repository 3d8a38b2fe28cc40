# What it costs: make bench [BENCH="--quick --only mmap"]. Never part of make check.
BENCH_PROGRAM_FILES = tests/bench/pairs tests/bench/touch tests/bench/floor \
	tests/bench/lookup tests/bench/bench_model
check_PROGRAMS += $(BENCH_PROGRAM_FILES)
tests_bench_pairs_SOURCES = tests/bench/pairs.c tests/bench/bench.h
tests_bench_touch_SOURCES = tests/bench/touch.c tests/bench/bench.h
tests_bench_floor_SOURCES = tests/bench/floor.c tests/bench/bench.h
tests_bench_floor_LDADD = -lpthread
tests_bench_lookup_SOURCES = tests/bench/lookup.c tests/bench/bench.h \
	tests/bench/contest.c tests/bench/contest.h
tests_bench_lookup_LDADD = -lpthread
# The objects of the library: its flags decide what a lookup costs.
tests_bench_bench_model_SOURCES = tests/bench/bench_model.c tests/bench/bench.h \
	tests/bench/contest.c tests/bench/contest.h
tests_bench_bench_model_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE
tests_bench_bench_model_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS)
tests_bench_bench_model_LDADD = lib/mm/libmm.la lib/base/libbase.la -lpthread
EXTRA_DIST += tests/bench/bench.py tests/bench/lookups.py

# The library's own memory with 60,000 areas, which is within vm.max_map_count.
check_PROGRAMS += tests/bench/areas
tests_bench_areas_SOURCES = tests/bench/areas.c tests/bench/bench.h

# First writes after a fork: by hand, see the file.
check_PROGRAMS += tests/bench/cow
tests_bench_cow_SOURCES = tests/bench/cow.c tests/bench/bench.h
tests_bench_cow_LDADD = -lpthread

.PHONY: bench-memory
bench-memory: all tests/bench/areas
	./shadowmm run -- tests/bench/areas ./shadowmm 60000

.PHONY: bench
bench: all $(BENCH_PROGRAM_FILES)
	$(TEST_DRIVER) $(abs_top_srcdir)/tests/bench/bench.py --json tests/bench/bench.json \
		--markdown tests/bench/bench.md $(BENCH)
CLEANFILES += tests/bench/bench.json tests/bench/bench.md
EXTRA_DIST += doc/benchmarks.md
