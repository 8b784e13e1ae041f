/* SPDX-License-Identifier: Apache-2.0 */
/* interop/cri/web.c - stands in for the web servers of critest's images: web PORT [LOGWORD]. Writes its pid where
 * nginx does, answers every connection with 200. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    /* As nginx names its first process. */
    if (!strstr(argv[0], "master process"))
        execl("/bin/nginx", "nginx: master process", argc > 1 ? argv[1] : "80", argc > 2 ? argv[2] : "web", (char *)NULL);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "80"))};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nwelcome\n";
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    char in[4096];
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 64) < 0) {
        perror("listen");
        return 1;
    }
    mkdir("/var/run", 0755);
    FILE *f = fopen("/var/run/nginx.pid", "w");
    if (f) {
        fprintf(f, "%d\n", (int)getpid());
        fclose(f);
    }
    printf("%s: resuming normal operations\n", argc > 2 ? argv[2] : "web");
    fflush(stdout);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        if (c < 0) continue;
        if (read(c, in, sizeof in) >= 0 && write(c, answer, sizeof answer - 1) < 0) perror("write");
        shutdown(c, SHUT_WR);
        while (read(c, in, sizeof in) > 0) {}
        close(c);
    }
}
