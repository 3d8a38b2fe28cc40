dist_man_MANS += man/shadowmm.1 man/libshadowmm.7
