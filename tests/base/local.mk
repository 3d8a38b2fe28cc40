# lib/base against libc, as the product has it and as a debug build has it.
BASE_TEST_SOURCES = tests/base/memory.c tests/base/memory.h tests/base/test_pages.c \
	tests/base/test_slab.c tests/base/test_debug.c
BASE_TEST_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE -DSMM_HOSTED
BASE_TEST_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS) $(CRITERION_CFLAGS)

if HAVE_CRITERION
check_PROGRAMS += tests/base/test_base tests/base/test_base_debug
TESTS += tests/base/test_base tests/base/test_base_debug
endif
tests_base_test_base_SOURCES = $(BASE_TEST_SOURCES) $(BASE_SOURCES)
tests_base_test_base_CPPFLAGS = $(BASE_TEST_CPPFLAGS)
tests_base_test_base_CFLAGS = $(BASE_TEST_CFLAGS)
tests_base_test_base_LDADD = $(CRITERION_LIBS)
tests_base_test_base_debug_SOURCES = $(BASE_TEST_SOURCES) $(BASE_SOURCES)
tests_base_test_base_debug_CPPFLAGS = $(BASE_TEST_CPPFLAGS) -USMM_DEBUG -DSMM_DEBUG=1
tests_base_test_base_debug_CFLAGS = $(BASE_TEST_CFLAGS)
tests_base_test_base_debug_LDADD = $(CRITERION_LIBS)
