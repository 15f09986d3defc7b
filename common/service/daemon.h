/*
 * The entry of a daemon: command line, roles, and the hand-over to master or worker.
 */
#ifndef KEEL_SERVICE_DAEMON_H
#define KEEL_SERVICE_DAEMON_H

#include "common/service/module.h"

/* Runs the protocol as a daemon; returns the exit status: 0 stopped in order, 1 failed, 2 wrong
 * command line or configuration. The whole main() is `return keel_main(argc, argv, &protocol);`. */
int keel_main(int argc, char **argv, const struct keel_protocol *protocol);

#endif
