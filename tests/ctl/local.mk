# The server runs on the real lib/ctl, lib/sys and lib/base, built against libc, and on a
# fake model; the tool runs against canned answers.
CTL_TEST_CPPFLAGS = $(AM_CPPFLAGS) -D_LGPL_SOURCE -DSMM_HOSTED
CTL_TEST_CFLAGS = $(AM_CFLAGS) $(URCU_CFLAGS) $(CRITERION_CFLAGS) $(JANSSON_CFLAGS)

if HAVE_CRITERION
check_PROGRAMS += tests/ctl/test_server tests/ctl/test_cli tests/ctl/static_true
TESTS += tests/ctl/test_server tests/ctl/test_cli
endif

tests_ctl_test_server_SOURCES = tests/ctl/test_server.c tests/ctl/test_dirty.c tests/ctl/test_files.c tests/ctl/fixture.c \
	tests/ctl/fixture.h tests/ctl/fake_mm.c tests/ctl/fake_mm.h lib/mm/anon_vma.c lib/mm/page.c $(CTL_SOURCES) \
	$(BASE_SOURCES) $(lib_sys_libsys_la_SOURCES)
tests_ctl_test_server_CPPFLAGS = $(CTL_TEST_CPPFLAGS)
tests_ctl_test_server_CFLAGS = $(CTL_TEST_CFLAGS)
tests_ctl_test_server_LDADD = $(CRITERION_LIBS) $(JANSSON_LIBS)

tests_ctl_test_cli_SOURCES = tests/ctl/test_cli.c tests/ctl/test_ps.c tests/ctl/test_cli_dirty.c tests/ctl/canned.c tests/ctl/canned.h
tests_ctl_test_cli_CPPFLAGS = $(AM_CPPFLAGS)
tests_ctl_test_cli_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(JANSSON_CFLAGS)
tests_ctl_test_cli_LDADD = $(CRITERION_LIBS) $(JANSSON_LIBS)
EXTRA_tests_ctl_test_cli_DEPENDENCIES = shadowmm$(EXEEXT) tests/ctl/static_true

tests_ctl_static_true_SOURCES = tests/ctl/static_true.c
tests_ctl_static_true_CFLAGS = $(AM_CFLAGS) -ffreestanding -fno-stack-protector
tests_ctl_static_true_LDFLAGS = -all-static -nostdlib -nostartfiles
