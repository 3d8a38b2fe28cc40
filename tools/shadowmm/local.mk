bin_PROGRAMS += shadowmm
shadowmm_SOURCES = tools/shadowmm/main.c tools/shadowmm/cli.h \
	tools/shadowmm/messages.c tools/shadowmm/proc.c tools/shadowmm/json.c \
	tools/shadowmm/area.c tools/shadowmm/sockets.c tools/shadowmm/conn.c \
	tools/shadowmm/elf.c tools/shadowmm/library.c tools/shadowmm/uapi.h \
	tools/shadowmm/check.h tools/shadowmm/check_uffd.c tools/shadowmm/check_pool.c \
	tools/shadowmm/check_cow.c tools/shadowmm/check_dirty.c tools/shadowmm/check_frames.c tools/shadowmm/check_kernel.c \
	tools/shadowmm/cmd_run.c tools/shadowmm/cmd_ps.c tools/shadowmm/ps.h \
	tools/shadowmm/ps_rows.c tools/shadowmm/cmd_maps.c tools/shadowmm/cmd_smaps.c \
	tools/shadowmm/cmd_vma.c tools/shadowmm/cmd_stat.c tools/shadowmm/cmd_verify.c \
	tools/shadowmm/pages.c tools/shadowmm/pages.h tools/shadowmm/cmd_rmap.c \
	tools/shadowmm/cmd_rmap_file.c tools/shadowmm/cmd_cache.c tools/shadowmm/file_id.c tools/shadowmm/file_id.h \
	tools/shadowmm/shared.c tools/shadowmm/shared.h tools/shadowmm/cmd_shared.c \
	tools/shadowmm/cmd_cow.c tools/shadowmm/slab.c tools/shadowmm/cmd_slabinfo.c \
	tools/shadowmm/cmd_slabtop.c tools/shadowmm/stacks.c tools/shadowmm/stacks.h \
	tools/shadowmm/text.c \
	tools/shadowmm/cmd_check.c tools/shadowmm/cmd_help.c
shadowmm_CPPFLAGS = $(AM_CPPFLAGS) -DLIBDIR='"$(libdir)"'
shadowmm_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(LIBDW_CFLAGS)
shadowmm_LDADD = $(JANSSON_LIBS) $(LIBDW_LIBS)
if HAVE_LIBDW
shadowmm_SOURCES += tools/shadowmm/unwind.c
else
shadowmm_SOURCES += tools/shadowmm/unwind_none.c
endif
EXTRA_DIST += tools/shadowmm/unwind.c tools/shadowmm/unwind_none.c
