pkginclude_HEADERS = include/shadowmm/shadowmm.h
