noinst_LTLIBRARIES += lib/sys/libsys.la
lib_sys_libsys_la_SOURCES = lib/sys/sys.h lib/sys/procmaps.h lib/sys/mutex.h lib/sys/procmaps.c lib/sys/smaps.c lib/sys/smaps.h lib/sys/mutex.c lib/sys/uffd.h lib/sys/uffd.c lib/sys/clone.h lib/sys/task.c lib/sys/aside.c lib/sys/aside.h lib/sys/clone.S lib/sys/usermem.h lib/sys/usermem.c lib/sys/sockpath.h lib/sys/sockpath.c lib/sys/pagemap.h lib/sys/pagemap.c lib/sys/creds.c lib/sys/creds.h lib/sys/procstat.c lib/sys/procstat.h lib/sys/thp.c lib/sys/thp.h lib/sys/uring.c lib/sys/uring.h
lib_sys_libsys_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_sys_libsys_la_CFLAGS = $(HOOK_CFLAGS)
lib_sys_libsys_la_CCASFLAGS = 
