/*
 * dnsd's control commands: the zones' are run by the keeper, those that look at questions by every
 * worker.
 */
#ifndef DNSD_SERVE_COMMANDS_H
#define DNSD_SERVE_COMMANDS_H

#include "common/service/control.h"

/* See struct keel_protocol. */
extern const struct keel_command dns_commands[];

#endif
