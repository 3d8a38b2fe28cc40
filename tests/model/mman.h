/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux/mman.h, with what older ones lack or leave to libc. */
#ifndef TESTS_MODEL_MMAN_H
#define TESTS_MODEL_MMAN_H

#include <linux/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS 0x20
#endif
#ifndef MAP_ABOVE4G
#define MAP_ABOVE4G 0x80 /* 6.6 */
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* 6.11 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* 6.13 */
#define MADV_GUARD_REMOVE  103
#endif

#endif
