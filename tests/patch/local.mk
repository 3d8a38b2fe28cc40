check_LTLIBRARIES += tests/patch/preload_count.la
tests_patch_preload_count_la_SOURCES = tests/patch/preload_count.c
tests_patch_preload_count_la_CPPFLAGS = $(LIB_CPPFLAGS)
tests_patch_preload_count_la_CFLAGS = $(HOOK_CFLAGS)
# -rpath: or libtool would make a convenience library of it
tests_patch_preload_count_la_LDFLAGS = -module -avoid-version -rpath /nowhere \
	-Wc,-nostdlib -Wl,-z,now -Wl,-z,defs
tests_patch_preload_count_la_LIBADD = lib/hook/libpatch.la lib/sys/libsys.la lib/base/libbase.la

check_PROGRAMS += tests/patch/scan_dump
tests_patch_scan_dump_SOURCES = tests/patch/scan_dump.c lib/hook/table.c lib/hook/scan.c
tests_patch_scan_dump_CPPFLAGS = $(AM_CPPFLAGS) -DSMM_HOSTED
check_PROGRAMS += tests/patch/bench_thunk
tests_patch_bench_thunk_SOURCES = tests/patch/bench_thunk.c
dist_check_SCRIPTS += tests/patch/scan.sh
TESTS += tests/patch/scan.sh

if HAVE_CRITERION
# The handlers are compiled as the library is: thunks save no vector registers for them.
check_LTLIBRARIES += tests/patch/libhandlers.la
tests_patch_libhandlers_la_SOURCES = tests/patch/handlers.c tests/patch/handlers.h
tests_patch_libhandlers_la_CPPFLAGS = $(LIB_CPPFLAGS)
tests_patch_libhandlers_la_CFLAGS = $(HOOK_CFLAGS)

check_PROGRAMS += tests/patch/test_patch
TESTS += tests/patch/test_patch
tests_patch_test_patch_SOURCES = tests/patch/test_site.c tests/patch/test_clone.c \
	tests/patch/test_text.c tests/patch/test_elf.c tests/patch/test_sud.c \
	tests/patch/code.c tests/patch/code.h tests/patch/probe.S tests/patch/probe.h
tests_patch_test_patch_CPPFLAGS = $(AM_CPPFLAGS) -DSMM_HOSTED
tests_patch_test_patch_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_patch_test_patch_LDADD = lib/hook/libpatch.la tests/patch/libhandlers.la \
	lib/sys/libsys.la lib/base/libbase.la $(CRITERION_LIBS)
endif
