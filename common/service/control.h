/*
 * Control commands: a unix socket per daemon, one JSON request a line, one JSON reply a line.
 *
 *     {"command": "zone-reload", "args": ["example.org"]}
 *     {"ok": true, "result": ...}            {"ok": false, "error": "no such zone"}
 */
#ifndef KEEL_SERVICE_CONTROL_H
#define KEEL_SERVICE_CONTROL_H

#include "common/base/err.h"

#include <jansson.h>

struct keel_instance;

/* How replies are written: one line, numbers as exact as anybody reads them. */
#define KEEL_CONTROL_DUMP (JSON_COMPACT | JSON_REAL_PRECISION(12))

/* Who answers a protocol's command. */
enum keel_command_scope {
    KEEL_COMMAND_ALL,    /* every worker; the reply is a list of {"worker": i, "result": ...} */
    KEEL_COMMAND_ONE,    /* the active worker (schedule single) or any one */
    KEEL_COMMAND_HELPER, /* helper 0; KEEL_COMMAND_HELPER + i is helper i */
    /* Added to one of these: the reply may take minutes (keel_command_defer). Others have 5 s. */
    KEEL_COMMAND_SLOW = 256,
};

struct keel_command {
    const char *name;  /* "zone-reload"; NULL ends the table */
    const char *usage; /* "ZONE" or "" */
    const char *help;  /* one line */
    enum keel_command_scope scope;
    /* Runs in the worker, on its loop, and must not wait. args: a JSON array of strings, borrowed.
     * Returns 0 and a new reference in *result (NULL: null), or an error with diag; KEEL_EAGAIN
     * after keel_command_defer. */
    int (*run)(struct keel_instance *instance, json_t *args, json_t **result,
               struct keel_diag *diag);
};

/* A reply that is owed: for a command whose work goes on after `run`. */
struct keel_deferred;
/* From inside of `run`, which returns KEEL_EAGAIN then. NULL when memory is out. Each must be
 * replied to, at the latest when the instance stops. */
struct keel_deferred *keel_command_defer(struct keel_instance *instance);
/* Sends the reply and frees it. Takes result (NULL: null); err: text says what went wrong. */
void keel_command_reply(struct keel_deferred *deferred, int err, json_t *result, const char *text);

#endif
