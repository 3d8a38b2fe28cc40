noinst_LTLIBRARIES += lib/reclaim/libreclaim.la
lib_reclaim_libreclaim_la_SOURCES = lib/reclaim/pool.c lib/reclaim/huge.c lib/reclaim/limit.c lib/reclaim/reclaim.h
lib_reclaim_libreclaim_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_reclaim_libreclaim_la_CFLAGS = $(HOOK_CFLAGS)
