/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/foreground.c - staying with a process: its end, our signals, our terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"

#define COPY_BYTES 16384

int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int n;
    } names[] = {
        {"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"ILL", 4},     {"TRAP", 5},    {"ABRT", 6},
        {"IOT", 6},   {"BUS", 7},   {"FPE", 8},   {"KILL", 9},    {"USR1", 10},   {"SEGV", 11},
        {"USR2", 12}, {"PIPE", 13}, {"ALRM", 14}, {"TERM", 15},   {"STKFLT", 16}, {"CHLD", 17},
        {"CLD", 17},  {"CONT", 18}, {"STOP", 19}, {"TSTP", 20},   {"TTIN", 21},   {"TTOU", 22},
        {"URG", 23},  {"XCPU", 24}, {"XFSZ", 25}, {"VTALRM", 26}, {"PROF", 27},   {"WINCH", 28},
        {"IO", 29},   {"POLL", 29}, {"PWR", 30},  {"SYS", 31},    {"RTMIN", 34},  {"RTMAX", 64},
    };
    struct sn_str s = sn_str(name);
    uint64_t n;
    if (sn_str_to_u64(s, &n) == 0 && n < 65) return (int)n;
    if (s.len > 3 && sn_str_ieq(sn_str_sub(s, 0, 3), SN_STR("SIG"))) s = sn_str_from(s, 3);
    int sign = 0;
    struct sn_str base = s;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '+' || s.ptr[i] == '-') {
            sign = s.ptr[i] == '+' ? 1 : -1;
            base = sn_str_sub(s, 0, i);
            if (sn_str_to_u64(sn_str_from(s, i + 1), &n) < 0 || n > 30) base.len = 0;
            break;
        }
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (sn_str_ieq(base, sn_str(names[i].name)) && (!sign || names[i].n >= 34))
            return names[i].n + sign * (int)n;
    return sn_fail(SN_E_INVALID_ARGUMENT, "unknown signal \"%.32s\"", name);
}

static struct termios saved;
static bool raw;

static void restore(void)
{
    if (raw) tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    raw = false;
}

static void make_raw(int master)
{
    struct termios t;
    struct winsize w;
    if (tcgetattr(STDIN_FILENO, &saved) == 0) {
        t = saved;
        cfmakeraw(&t);
        raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
    }
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0) ioctl(master, TIOCSWINSZ, &w);
}

/* One reading moved on. False at the end. */
static bool copy(int from, int to)
{
    static char buf[COPY_BYTES];
    ssize_t n = read(from, buf, sizeof(buf));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (n <= 0) return false;
    for (ssize_t at = 0; at < n;) {
        ssize_t w = write(to, buf + at, (size_t)(n - at));
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return false;
        at += w;
    }
    return true;
}

static void forward(int pidfd, int signals, int master)
{
    struct signalfd_siginfo si;
    struct winsize w;
    if (read(signals, &si, sizeof(si)) != sizeof(si)) return;
    if (si.ssi_signo == SIGWINCH && master >= 0) {
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0) ioctl(master, TIOCSWINSZ, &w);
        return;
    }
    /* Children of ours that are not the process: adopted orphans of a container without its own
     * pid 1. */
    if (si.ssi_signo == SIGCHLD || si.ssi_signo == SIGURG) return;
    syscall(SYS_pidfd_send_signal, pidfd, (int)si.ssi_signo, NULL, 0);
}

static int status_of(int pidfd)
{
    siginfo_t si = {0};
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0)
        if (errno != EINTR) return sn_fail_errno(errno, "wait for the process");
    return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

static sigset_t all;

void foreground_prepare(void)
{
    memset(&all, 0xff, sizeof(all)); /* sigfillset leaves out a libc's own: with musl SIGRTMIN */
    /* What the terminal's job control and a crash of ours mean stays ours. */
    const int ours[] = {SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGILL,
                        SIGFPE,  SIGABRT, SIGTRAP, SIGPIPE};
    for (size_t i = 0; i < SN_COUNT_OF(ours); i++) sigdelset(&all, ours[i]);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

int foreground(struct app *app, int pidfd, int master)
{
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return sn_fail_errno(errno, "signalfd");
    if (master >= 0) make_raw(master);
    struct pollfd p[4] = {{.fd = pidfd, .events = POLLIN},
                          {.fd = signals, .events = POLLIN},
                          {.fd = master, .events = POLLIN},
                          {.fd = master >= 0 ? STDIN_FILENO : -1, .events = POLLIN}};
    for (;;) {
        int n = poll(p, 4, -1); /* banned: the program's one loop, without fibers */
        if (n < 0 && errno != EINTR) break;
        if (p[1].revents) forward(pidfd, signals, master);
        if (p[2].revents && !copy(master, STDOUT_FILENO)) p[2].fd = -1;
        if (p[3].revents && !copy(STDIN_FILENO, master)) {
            char end = 4; /* end of file, as the line discipline has it */
            if (write(master, &end, 1) < 0) p[2].fd = -1;
            p[3].fd = -1;
        }
        if (p[0].revents) break;
    }
    /* What the process wrote last is still in the terminal's buffer. */
    if (master >= 0 && p[2].fd >= 0) {
        struct pollfd rest = {.fd = master, .events = POLLIN};
        while (poll(&rest, 1, 0) == 1 && /* banned: as above */
               (rest.revents & POLLIN) && copy(master, STDOUT_FILENO))
            continue;
    }
    restore();
    close(signals);
    return status_of(pidfd);
}
