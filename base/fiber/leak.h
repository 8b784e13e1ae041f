/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/leak.h - fibers that nothing can wake any more, found by reachability.
 *
 * A fiber that waits on a channel, select, lock, condition, wait group, event, semaphore or scope,
 * without a time limit, is woken through the object it waits on, and that object's queue points
 * into the fiber's stack. So it can still be woken only if some memory that somebody will use
 * points there. The search starts from what certainly goes on (running, runnable and otherwise
 * waiting fibers, registers, threads, writable data, heap this library did not allocate), follows
 * every word that looks like a pointer, also into the middle of an object, and adds the stack of
 * each fiber it reaches. Who is left is leaked.
 *
 * "Looks like" errs to one side: a stale word may hide a leak, nothing can invent one. Not seen are
 * pointers that are kept only in shared mappings, in files, or encoded.
 * Source: the idea is that of Go 1.26's goroutineleak profile and of conservative collectors. */
#pragma once
#include "fiber/fiber.h"

/* sn_leak_heap_add, sn_leak_heap_del - tell of blocks of the heap: followed only once reached.
 * What is not told of counts as in use, which hides leaks and is otherwise harmless. For the hooks
 * of core/alloc.h: a table lookup and one store each. Any thread. */
void sn_leak_heap_add(void *ptr);
void sn_leak_heap_del(void *ptr);
/* sn_leak_heap_forget - of all blocks. Where blocks were freed unseen this must be called before the
 * next search, which asks the allocator for their sizes. Context: while nobody adds. */
void sn_leak_heap_forget(void);

/* sn_fiber_leaks - calls fn for each leaked fiber, with its stack. The workers stand still while
 * the process is cloned (a signal stops them; page tables are copied), not during the search, which
 * the clone does.
 * Returns how many, or SN_E_UNAVAILABLE with the reason: no runtime, a worker that could not be
 * stopped within SN_LEAK_STOP_NS, no memory for the clone, a search beyond SN_LEAK_SEARCH_NS.
 * Context: any thread; blocks until the search is over, so call it with sn_offload. */
#define SN_LEAK_STOP_NS (2 * SN_SEC)
#define SN_LEAK_SEARCH_NS (60 * SN_SEC)
int sn_fiber_leaks(void (*fn)(const struct sn_fiber_info *info, void *arg),
                   void *arg) SN_MUST_CHECK;
