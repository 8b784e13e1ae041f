/* The program: command line and configuration are in app/daemon.h, what it serves in service.c. */
#include "{{name}}.h"

int main(int argc, char **argv)
{
    return sn_daemon_main(&{{name}}_app, argc, argv);
}
