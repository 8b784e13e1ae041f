/* SPDX-License-Identifier: Apache-2.0 */
/* kill_at.c - "sn-kill-at FILE CMD...": CMD becomes this process, watched by a tracer that kills
 * whoever makes the K-th system call among it and all that it forks: so every step of a program
 * that others start can be its last. FILE holds "K who"; who is "self", the process of that call,
 * or "child", the first process that CMD forked (a shim, whose start has ended). A process that
 * executes another program is left alone from then on. When all have ended, or at the kill, FILE.n
 * gets the number of calls, and the name of what was killed. The tracer is no child of anybody that
 * matters, and ends itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *file;
static unsigned long k, calls;
static bool of_child;
static pid_t first, child;

/* told - the test reads it; written beside and renamed, so that it is whole. */
static void told(const char *what, pid_t pid)
{
    char tmp[512], to[512];
    snprintf(tmp, sizeof(tmp), "%s.tmp", file);
    snprintf(to, sizeof(to), "%s.n", file);
    FILE *f = fopen(tmp, "w");
    if (!f) return;
    fprintf(f, "%lu %s %d\n", calls, what, (int)pid);
    fclose(f);
    rename(tmp, to);
}

static pid_t process_of(pid_t thread)
{
    char path[64], line[128];
    int pid = thread;
    snprintf(path, sizeof(path), "/proc/%d/status", thread);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Tgid: %d", &pid) == 1) break;
    if (f) fclose(f);
    return pid;
}

/* stopped - one stop of one thread. Returns false where the tracer's work is done. */
static bool stopped(pid_t pid, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    unsigned long msg = 0;
    if (event == PTRACE_EVENT_EXEC && process_of(pid) != first) {
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
        return true;
    }
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        ptrace(PTRACE_GETEVENTMSG, pid, NULL, &msg);
        if (!child) child = (pid_t)msg;
    }
    if (sig == (SIGTRAP | 0x80) && event == 0) {
        struct __ptrace_syscall_info i;
        long n = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i);
        if (n > 0 && i.op == PTRACE_SYSCALL_INFO_ENTRY && ++calls == k) {
            pid_t who = of_child && child ? child : process_of(pid);
            char what[64];
            snprintf(what, sizeof(what), "%s:%llu",
                     who == first   ? "start"
                     : who == child ? "shim"
                                    : "container",
                     (unsigned long long)i.entry.nr);
            kill(who, SIGKILL);
            told(what, who);
            return false;
        }
    }
    bool group = event == PTRACE_EVENT_STOP &&
                 (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU);
    int give = event == 0 && sig != (SIGTRAP | 0x80) ? sig : 0;
    ptrace(group ? PTRACE_LISTEN : PTRACE_SYSCALL, pid, NULL, (void *)(long)give);
    return true;
}

static void trace(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (pid > 0 && WIFSTOPPED(status) && !stopped(pid, status)) return;
    }
    told("over", 0);
}

int main(int argc, char **argv)
{
    char who[16] = "self";
    int go[2];
    if (argc < 3) return 2;
    file = argv[1];
    FILE *f = fopen(file, "r");
    if (!f || fscanf(f, "%lu %15s", &k, who) < 1) return 2;
    fclose(f);
    of_child = strcmp(who, "child") == 0;
    first = getpid();
    if (pipe2(go, O_CLOEXEC) < 0) return 2;
    pid_t tracer = fork();
    if (tracer == 0) {
        /* Nobody waits for the end of what we hold open. */
        int null = open("/dev/null", O_RDWR);
        for (int i = 0; i < 3; i++) dup2(null, i);
        setsid();
        long o = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                 PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
        bool ok = ptrace(PTRACE_SEIZE, first, NULL, (void *)o) == 0 &&
                  ptrace(PTRACE_INTERRUPT, first, NULL, NULL) == 0;
        if (write(go[1], ok ? "y" : "n", 1) != 1) _exit(1);
        close(go[0]);
        close(go[1]);
        if (ok) trace();
        _exit(0);
    }
    char answer = 'n';
    close(go[1]);
    while (read(go[0], &answer, 1) < 0 && errno == EINTR) continue;
    if (tracer < 0 || answer != 'y') return 2;
    close(go[0]);
    execv(argv[2], argv + 2);
    return 127;
}
