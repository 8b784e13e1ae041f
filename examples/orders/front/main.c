/* SPDX-License-Identifier: Apache-2.0 */
/* The program: command line and configuration are in app/daemon.h, what it serves in service.c. */
#include "front.h"

int main(int argc, char **argv) { return sn_daemon_main(&front_app, argc, argv); }
