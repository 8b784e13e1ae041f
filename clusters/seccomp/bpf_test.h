/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel does with a filter: classic BPF over struct seccomp_data, and its rules for one.
 */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* bpf_valid - as seccomp_check_filter and bpf_check_classic: jumps forward and inside, aligned
 * loads, a return at the end. */
static inline int bpf_valid(const struct sock_filter *p, uint32_t n)
{
    if (n == 0 || n > 4096) return 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t left = n - i - 1;
        switch (p[i].code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (p[i].k & 3 || p[i].k >= sizeof(struct seccomp_data)) return 0;
            break;
        case BPF_RET | BPF_K:
        case BPF_ALU | BPF_AND | BPF_K: break;
        case BPF_JMP | BPF_JA:
            if (p[i].k >= left) return 0;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_K:
            if (p[i].jt >= left || p[i].jf >= left) return 0;
            break;
        default: return 0;
        }
    }
    return p[n - 1].code == (BPF_RET | BPF_K);
}

/* bpf_run - the verdict; *steps counts instructions. */
static inline uint32_t bpf_run(const struct sock_filter *p, const struct seccomp_data *d,
                               unsigned *steps)
{
    uint32_t a = 0;
    for (uint32_t i = 0;; i++) {
        if (steps) ++*steps;
        switch (p[i].code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)d + p[i].k, 4); break;
        case BPF_ALU | BPF_AND | BPF_K: a &= p[i].k; break;
        case BPF_JMP | BPF_JA: i += p[i].k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: i += a == p[i].k ? p[i].jt : p[i].jf; break;
        case BPF_JMP | BPF_JGE | BPF_K: i += a >= p[i].k ? p[i].jt : p[i].jf; break;
        case BPF_JMP | BPF_JGT | BPF_K: i += a > p[i].k ? p[i].jt : p[i].jf; break;
        case BPF_RET | BPF_K: return p[i].k;
        default: return 0xdeadbeef;
        }
    }
}
