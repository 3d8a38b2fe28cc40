# The scanner is the one file with vector code; its caller saves the registers.
noinst_LTLIBRARIES += lib/hook/libscan.la
lib_hook_libscan_la_SOURCES = lib/hook/scan.c lib/hook/scan.h
lib_hook_libscan_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_hook_libscan_la_CFLAGS = $(LIB_CFLAGS) -mno-avx

# Finding and patching sites; a library of its own so that tests can bring their handlers.
noinst_LTLIBRARIES += lib/hook/libpatch.la
lib_hook_libpatch_la_SOURCES = lib/hook/patch.c lib/hook/patch.h lib/hook/patch_site.h \
	lib/hook/text.c lib/hook/text.h lib/hook/thunk.c lib/hook/thunk.h \
	lib/hook/entry.S lib/hook/elf.c lib/hook/table.c lib/hook/table.h \
	lib/hook/sud.c lib/hook/sud.h
lib_hook_libpatch_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_hook_libpatch_la_CFLAGS = $(HOOK_CFLAGS)
lib_hook_libpatch_la_LIBADD = lib/hook/libscan.la

noinst_LTLIBRARIES += lib/hook/libhook.la
lib_hook_libhook_la_SOURCES = lib/hook/patch.h lib/hook/state.h lib/hook/dispatch.c lib/hook/areas.c lib/hook/remap.c lib/hook/label.c lib/hook/lock.c lib/hook/life.c lib/hook/clone.c lib/hook/process.c lib/hook/setxid.c lib/hook/start.c lib/hook/start.h lib/hook/sleep.c lib/hook/options.c lib/hook/pool.c lib/hook/cow.c lib/hook/files.c lib/hook/dirty.c lib/hook/futex.c lib/hook/uring.c lib/hook/shared.c \
	lib/hook/sitecache.c lib/hook/sitecache.h
lib_hook_libhook_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_hook_libhook_la_CFLAGS = $(HOOK_CFLAGS)
lib_hook_libhook_la_LIBADD = lib/hook/libpatch.la
