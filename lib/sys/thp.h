/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transparent huge pages: what the machine allows. */
#ifndef SHADOWMM_SYS_THP_H
#define SHADOWMM_SYS_THP_H

#include "lib/base/pool.h"

/* Of the machine: /sys/kernel/mm/transparent_hugepage; THP_NEVER if there are none. Opens
 * files: engine tasks. */
enum thp_mode thp_mode(void);
/* Shared memory gets huge pages without MADV_HUGEPAGE. The constructor, too. */
bool thp_shmem_always(void);

#endif
