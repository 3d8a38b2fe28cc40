include lib/base/local.mk
include lib/sys/local.mk
include lib/mm/local.mk
include lib/hook/local.mk
include lib/fault/local.mk
include lib/reclaim/local.mk
include lib/ctl/local.mk
include lib/api/local.mk
include lib/fallback/local.mk

lib_LTLIBRARIES += libshadowmm.la
libshadowmm_la_SOURCES = lib/main.c
libshadowmm_la_CPPFLAGS = $(LIB_CPPFLAGS)
libshadowmm_la_CFLAGS = $(HOOK_CFLAGS)
libshadowmm_la_LIBADD = lib/api/libapi.la lib/ctl/libctl.la lib/fault/libfault.la lib/reclaim/libreclaim.la lib/hook/libhook.la \
	lib/mm/libmm.la lib/sys/libsys.la lib/base/libbase.la
libshadowmm_la_LDFLAGS = -avoid-version -Wc,-nostdlib -Wl,-z,now -Wl,-z,defs \
	-Wl,--version-script=$(top_srcdir)/lib/version.map
libshadowmm_la_DEPENDENCIES = $(libshadowmm_la_LIBADD) lib/version.map
EXTRA_DIST += lib/version.map
