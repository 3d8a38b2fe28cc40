noinst_LTLIBRARIES += lib/api/libapi.la
lib_api_libapi_la_SOURCES = lib/api/api.c
lib_api_libapi_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_api_libapi_la_CFLAGS = $(HOOK_CFLAGS)
