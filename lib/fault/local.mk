noinst_LTLIBRARIES += lib/fault/libfault.la
lib_fault_libfault_la_SOURCES = lib/fault/fault.c lib/fault/fault.h lib/fault/internal.h \
	lib/fault/huge.c lib/fault/place.c lib/fault/team.c lib/fault/pool.c lib/fault/cow.c lib/fault/cow.h lib/fault/cow_task.c \
	lib/fault/cow_pass.c lib/fault/robust.c lib/fault/sample.c lib/fault/sample.h lib/fault/service.c \
	lib/fault/filemap.c lib/fault/filemap.h lib/fault/mapping.c lib/fault/file_area.c \
	lib/fault/lease.c lib/fault/dirty.c lib/fault/dirty.h lib/fault/populate.c lib/fault/chunk.c lib/fault/fill.c lib/fault/fill.h lib/fault/mount.c lib/fault/frames.c lib/fault/reader.c lib/fault/evict.c lib/fault/settle.c lib/fault/session.c lib/fault/shared.c lib/fault/shared.h lib/fault/shared_futex.c
lib_fault_libfault_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_fault_libfault_la_CFLAGS = $(HOOK_CFLAGS)
