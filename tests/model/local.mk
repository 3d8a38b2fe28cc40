# The model, compiled straight from its sources against libc: it is pure, so its tests need
# neither the library nor the flags that keep the library free of libc.
MODEL_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE -DSMM_HOSTED
MODEL_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS)
MODEL_SOURCES = $(MM_SOURCES) $(BASE_SOURCES)
MODEL_TEST_SOURCES = tests/model/map.c tests/model/map.h tests/model/ops.c \
	tests/model/ops.h tests/model/test_calls.c tests/model/test_tree.c \
	tests/model/test_policy.c tests/model/test_verify.c tests/model/test_random.c \
	tests/model/test_kernel.c
MODEL_STRESS_SOURCES = tests/model/stress_rcu.c
MODEL_TORTURE_SOURCES = tests/model/torture_rcu.c
# What is freed passes the test on its way.
MODEL_TORTURE_WRAP = -Wl,--wrap=kmem_cache_free

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

.PHONY: check-asan check-tsan
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
endif

check-tsan:
	@sanitize=-fsanitize=thread; name=stress_rcu_tsan; libs=-lpthread; \
	files='$(MODEL_STRESS_SOURCES)'; $(model_sanitized)
	@sanitize=-fsanitize=thread; name=torture_rcu_tsan; \
	libs='$(MODEL_TORTURE_WRAP) -lpthread'; files='$(MODEL_TORTURE_SOURCES)'; $(model_sanitized)

CLEANFILES += tests/model/sanitized/stress_rcu_asan tests/model/sanitized/stress_rcu_tsan \
	tests/model/sanitized/torture_rcu_asan tests/model/sanitized/torture_rcu_tsan \
	tests/model/sanitized/test_model_asan
