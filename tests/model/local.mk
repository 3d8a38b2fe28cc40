# The model, compiled straight from its sources against libc: it is pure, so its tests need
# neither the library nor the flags that keep the library free of libc.
MODEL_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE -DSMM_HOSTED
MODEL_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS)
MODEL_SOURCES = $(MM_SOURCES) $(BASE_SOURCES)
MODEL_TEST_SOURCES = tests/model/map.c tests/model/map.h tests/model/mman.h tests/model/ops.c \
	tests/model/ops.h tests/model/test_calls.c tests/model/test_tree.c \
	tests/model/test_policy.c tests/model/test_fault_around.c tests/model/test_cow.c tests/model/test_verify.c tests/model/test_random.c \
	tests/model/test_kernel.c tests/model/test_merge.c tests/model/test_memory.c \
	tests/model/space.c tests/model/space.h tests/model/maps.c tests/model/maps.h \
	tests/model/test_predict.c tests/model/test_errors.c \
	tests/model/test_unmapped.c tests/model/test_anon_vma.c tests/model/test_page.c \
	tests/model/test_address_space.c tests/model/test_filemap.c tests/model/test_files_kernel.c tests/model/test_i_mmap.c \
	tests/model/test_shmem.c tests/model/test_dirty.c tests/model/test_evict.c tests/model/test_shared_file.c
MODEL_STRESS_SOURCES = tests/model/stress_rcu.c
MODEL_TORTURE_SOURCES = tests/model/torture_rcu.c
# What is freed passes the test on its way.
MODEL_TORTURE_WRAP = -Wl,--wrap=kmem_cache_free -Wl,--wrap=kmem_cache_free_rcu

check_PROGRAMS += tests/model/stress_rcu tests/model/torture_rcu
TESTS += tests/model/stress_rcu tests/model/torture_rcu
tests_model_stress_rcu_SOURCES = $(MODEL_STRESS_SOURCES) $(MODEL_SOURCES)
tests_model_stress_rcu_CPPFLAGS = $(MODEL_CPPFLAGS)
tests_model_stress_rcu_CFLAGS = $(MODEL_CFLAGS)
tests_model_stress_rcu_LDADD = -lpthread
tests_model_torture_rcu_SOURCES = $(MODEL_TORTURE_SOURCES) $(MODEL_SOURCES)
tests_model_torture_rcu_CPPFLAGS = $(MODEL_CPPFLAGS)
tests_model_torture_rcu_CFLAGS = $(MODEL_CFLAGS)
tests_model_torture_rcu_LDFLAGS = $(MODEL_TORTURE_WRAP)
tests_model_torture_rcu_LDADD = -lpthread

if HAVE_CRITERION
check_PROGRAMS += tests/model/test_model
TESTS += tests/model/test_model
endif
tests_model_test_model_SOURCES = $(MODEL_TEST_SOURCES) $(MODEL_SOURCES)
tests_model_test_model_CPPFLAGS = $(MODEL_CPPFLAGS)
tests_model_test_model_CFLAGS = $(MODEL_CFLAGS) $(CRITERION_CFLAGS)
tests_model_test_model_LDADD = $(CRITERION_LIBS)

# The same with poisoned memory and red zones around every object of the model.
if HAVE_CRITERION
check_PROGRAMS += tests/model/test_model_debug
TESTS += tests/model/test_model_debug
endif
tests_model_test_model_debug_SOURCES = $(MODEL_TEST_SOURCES) $(MODEL_SOURCES)
tests_model_test_model_debug_CPPFLAGS = $(MODEL_CPPFLAGS) -USMM_DEBUG -DSMM_DEBUG=1
tests_model_test_model_debug_CFLAGS = $(MODEL_CFLAGS) $(CRITERION_CFLAGS)
tests_model_test_model_debug_LDADD = $(CRITERION_LIBS)

# The model against the kernel. As a test of its own a short run.
MODEL_DIFF_SOURCES = tests/model/kernel_diff.c tests/model/kd.h tests/model/kd_ops.c \
	tests/model/kd_files.c tests/model/kd_exec.c tests/model/kd_compare.c \
	tests/model/kd_run.c tests/model/kd_shrink.c tests/model/kd_print_c.c \
	tests/model/maps.c tests/model/maps.h tests/model/ops.c tests/model/ops.h
check_PROGRAMS += tests/model/kernel_diff
TESTS += tests/model/kernel_diff
tests_model_kernel_diff_SOURCES = $(MODEL_DIFF_SOURCES) $(MODEL_SOURCES)
tests_model_kernel_diff_CPPFLAGS = $(MODEL_CPPFLAGS)
tests_model_kernel_diff_CFLAGS = $(MODEL_CFLAGS) -O2

.PHONY: check-kernel-diff
check-kernel-diff: tests/model/kernel_diff
	@OPS=$${OPS:-1000000} JOBS=$${JOBS:-2} tests/model/kernel_diff

# The model alone, with too little memory. As a test of its own a short run.
MODEL_STEPS_SOURCES = tests/model/steps.c tests/model/steps.h tests/model/ops.c \
	tests/model/ops.h
check_PROGRAMS += tests/model/model_steps tests/model/fuzz_model
TESTS += tests/model/model_steps
tests_model_model_steps_SOURCES = tests/model/model_steps.c $(MODEL_STEPS_SOURCES) \
	$(MODEL_SOURCES)
tests_model_model_steps_CPPFLAGS = $(MODEL_CPPFLAGS)
tests_model_model_steps_CFLAGS = $(MODEL_CFLAGS)
# A file or the standard input, for AFL; with --seeds it writes inputs to start from.
tests_model_fuzz_model_SOURCES = tests/model/fuzz_model.c $(MODEL_STEPS_SOURCES) \
	$(MODEL_SOURCES)
tests_model_fuzz_model_CPPFLAGS = $(MODEL_CPPFLAGS)
tests_model_fuzz_model_CFLAGS = $(MODEL_CFLAGS)

# Sanitizer builds have objects of their own: compiled in one go, into their own directory.
model_sanitized = \
	sources=; \
	for f in $$files $(MODEL_SOURCES); do \
		case $$f in *.c) sources="$$sources $(top_srcdir)/$$f" ;; esac; \
	done; \
	$(MKDIR_P) tests/model/sanitized && \
	$(CC) $(MODEL_CPPFLAGS) $(MODEL_CFLAGS) $(CRITERION_CFLAGS) -g -O1 \
		-fno-omit-frame-pointer -fno-sanitize-recover=all $$sanitize \
		-o tests/model/sanitized/$$name $$sources $$libs && \
	$$environment tests/model/sanitized/$$name

.PHONY: check-asan check-tsan check-model-steps check-fuzz
check-model-steps:
	@sanitize='-fsanitize=address,undefined -O2'; name=model_steps_asan; libs=; \
	environment="env STEPS=$${STEPS:-50000000} JOBS=$${JOBS:-2}"; \
	files='tests/model/model_steps.c $(MODEL_STEPS_SOURCES)'; $(model_sanitized)

# Its corpus begins with what fuzz_model itself writes, and ends with the run.
check-fuzz: tests/model/fuzz_model
	@test -n '$(CLANG)' || { echo "check-fuzz needs clang" >&2; exit 1; }
	@corpus=`mktemp -d` && trap 'rm -rf "$$corpus"' EXIT && \
	$(MKDIR_P) tests/model/sanitized && \
	tests/model/fuzz_model --seeds "$$corpus" && \
	$(CLANG) $(MODEL_CPPFLAGS) -DSMM_LIBFUZZER -std=gnu11 $(URCU_CFLAGS) -g -O1 \
		-fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o tests/model/sanitized/fuzz_model_libfuzzer \
		`for f in tests/model/fuzz_model.c $(MODEL_STEPS_SOURCES) $(MODEL_SOURCES); do \
			case $$f in *.c) echo "$(top_srcdir)/$$f" ;; esac; done` && \
	tests/model/sanitized/fuzz_model_libfuzzer -max_total_time=$(or $(SECONDS),60) \
		-max_len=4096 -print_final_stats=1 "$$corpus"

check-asan:
	@sanitize=-fsanitize=address,undefined; name=stress_rcu_asan; libs=-lpthread; \
	files='$(MODEL_STRESS_SOURCES)'; $(model_sanitized)
	@sanitize=-fsanitize=address,undefined; name=torture_rcu_asan; \
	libs='$(MODEL_TORTURE_WRAP) -lpthread'; files='$(MODEL_TORTURE_SOURCES)'; $(model_sanitized)
# Criterion's runner leaks; the tests count the model's objects themselves.
if HAVE_CRITERION
	@sanitize=-fsanitize=address,undefined; name=test_model_asan; \
	environment='env ASAN_OPTIONS=detect_leaks=0'; \
	libs='$(CRITERION_LIBS)'; files='$(MODEL_TEST_SOURCES)'; $(model_sanitized)
	@sanitize=-fsanitize=address,undefined; name=test_base_asan; \
	environment='env ASAN_OPTIONS=detect_leaks=0'; \
	libs='$(CRITERION_LIBS)'; files='$(BASE_TEST_SOURCES)'; $(model_sanitized)
endif

check-tsan:
	@sanitize=-fsanitize=thread; name=stress_rcu_tsan; libs=-lpthread; \
	files='$(MODEL_STRESS_SOURCES)'; $(model_sanitized)
	@sanitize=-fsanitize=thread; name=torture_rcu_tsan; \
	libs='$(MODEL_TORTURE_WRAP) -lpthread'; files='$(MODEL_TORTURE_SOURCES)'; $(model_sanitized)

CLEANFILES += tests/model/sanitized/stress_rcu_asan tests/model/sanitized/stress_rcu_tsan \
	tests/model/sanitized/torture_rcu_asan tests/model/sanitized/torture_rcu_tsan \
	tests/model/sanitized/test_model_asan tests/model/sanitized/test_base_asan \
	tests/model/sanitized/model_steps_asan \
	tests/model/sanitized/fuzz_model_libfuzzer
