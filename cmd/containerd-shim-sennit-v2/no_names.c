/* SPDX-License-Identifier: Apache-2.0 */
/* The shim dials paths only. A static program that could resolve names would carry libc's resolver,
 * and want libc's shared libraries all the same. */
#include <netdb.h>

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret)
{
    (void)node, (void)service, (void)hints, (void)ret;
    return EAI_FAIL;
}
