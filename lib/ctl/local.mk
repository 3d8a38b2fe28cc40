noinst_LTLIBRARIES += lib/ctl/libctl.la
CTL_SOURCES = lib/ctl/ctl.h lib/ctl/internal.h lib/ctl/ctl.c lib/ctl/command.c \
	lib/ctl/reply.c lib/ctl/show.c lib/ctl/smaps.c lib/ctl/status.c lib/ctl/verify.c lib/ctl/pagemap.c lib/ctl/slabinfo.c \
	lib/ctl/tasks.c lib/ctl/untouched.c lib/ctl/rmap.c lib/ctl/cow.c lib/ctl/cow_stacks.c lib/ctl/dirty.c lib/ctl/rss.c lib/ctl/cache.c
lib_ctl_libctl_la_SOURCES = $(CTL_SOURCES) lib/ctl/control.c lib/ctl/control.h include/shadowmm/commands.h
lib_ctl_libctl_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_ctl_libctl_la_CFLAGS = $(HOOK_CFLAGS)
