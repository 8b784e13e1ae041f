/* SPDX-License-Identifier: Apache-2.0 */
/* bench/oci/tiny - the smallest program a container can run: what is left is the runtime's. */
#include <sys/syscall.h>

void _start(void)
{
    __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(0) : "rcx", "r11");
    for (;;) {}
}
