# For other programs to link: the public functions, preloaded or not.
noinst_LTLIBRARIES += lib/fallback/libfallback.la
lib_fallback_libfallback_la_SOURCES = lib/fallback/fallback.c lib/fallback/maps.c \
	lib/fallback/maps.h
lib_fallback_libfallback_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_fallback_libfallback_la_CFLAGS = $(HOOK_CFLAGS)

lib_LIBRARIES = libshadowmm-api.a
libshadowmm_api_a_SOURCES = $(lib_fallback_libfallback_la_SOURCES)
libshadowmm_api_a_CPPFLAGS = $(lib_fallback_libfallback_la_CPPFLAGS)
libshadowmm_api_a_CFLAGS = $(lib_fallback_libfallback_la_CFLAGS)
