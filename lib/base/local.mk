noinst_LTLIBRARIES += lib/base/libbase.la
BASE_SOURCES = lib/base/compiler.h lib/base/string.c lib/base/string.h lib/base/fmt.c \
	lib/base/fmt.h lib/base/area.h lib/base/mm_id.h lib/base/vm_flags.h lib/base/engine.h lib/base/cow.h lib/base/files.h lib/base/reader.h lib/base/page_cache.h lib/base/cow_sample.h lib/base/dirty.h lib/base/pool.h lib/base/lockrank.h lib/base/stat.h lib/base/rcu.c lib/base/rcu.h lib/base/slab.c \
	lib/base/slab.h lib/base/slab_debug.c lib/base/slab_debug.h lib/base/page_alloc.c \
	lib/base/page_alloc.h lib/base/list.h
lib_base_libbase_la_SOURCES = $(BASE_SOURCES)
lib_base_libbase_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_base_libbase_la_CFLAGS = $(HOOK_CFLAGS)
