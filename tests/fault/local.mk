# How files are read, with every call to the kernel the test's to answer.
if HAVE_CRITERION
check_LTLIBRARIES += tests/fault/libread.la
check_PROGRAMS += tests/fault/test_read tests/fault/test_uring
TESTS += tests/fault/test_read tests/fault/test_uring
endif
FAULT_TEST_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE -DSMM_HOSTED
tests_fault_libread_la_SOURCES = lib/fault/chunk.c lib/fault/fill.c lib/fault/reader.c \
	lib/fault/filemap.c lib/base/fmt.c tests/fault/calls.h
tests_fault_libread_la_CPPFLAGS = $(FAULT_TEST_CPPFLAGS) \
	-include $(top_srcdir)/tests/fault/calls.h
tests_fault_libread_la_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS)
tests_fault_test_read_SOURCES = tests/fault/test_fill.c tests/fault/test_reader.c \
	tests/fault/world.c tests/fault/world.h
tests_fault_test_read_CPPFLAGS = $(FAULT_TEST_CPPFLAGS)
tests_fault_test_read_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS) $(CRITERION_CFLAGS)
tests_fault_test_read_LDADD = tests/fault/libread.la $(CRITERION_LIBS)
tests_fault_test_uring_SOURCES = tests/fault/test_uring.c lib/sys/uring.c lib/sys/uring.h
tests_fault_test_uring_CPPFLAGS = $(FAULT_TEST_CPPFLAGS)
tests_fault_test_uring_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_fault_test_uring_LDADD = $(CRITERION_LIBS)
