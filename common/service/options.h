/*
 * The options that every daemon has: their rows, and their values as a struct.
 */
#ifndef KEEL_SERVICE_OPTIONS_H
#define KEEL_SERVICE_OPTIONS_H

#include "common/service/conf.h"
#include "common/service/log.h"
#include "common/service/module.h"

#include <sys/types.h>

/* The rows, in the order of the man page. KEEL_OPT_END at the end. */
extern const struct keel_option keel_core_options[];

struct keel_core {
    unsigned workers;
    enum keel_schedule schedule;
    char state_dir[4096];
    char control[108];
    mode_t control_mode;
    const char *user, *group; /* NULL: stay who we are; borrowed from the tree */
    uid_t uid;                /* of user; (uid_t)-1: none */
    gid_t gid;
    bool sandbox;
    unsigned max_connections;                              /* 0: from the descriptor limit */
    uint64_t drain_timeout, start_timeout, worker_timeout; /* ns */
    unsigned respawn_budget; /* deaths per worker in 30 s; 0: no bound */
    uint64_t ticket_rotation, ticket_lifetime, certificate_watch; /* ns; 0: never */
    struct keel_log_options log;
};

/* The core's rows, those of TLS when it has that, and then the protocol's, as one table (heap,
 * returns new). NULL: no memory. */
struct keel_option *keel_options_join(const struct keel_protocol *protocol);
/* Reads the core's values; the tree must outlive *core. KEEL_ECONF with diag. */
int keel_core_read(const struct keel_conf *conf, const struct keel_protocol *protocol,
                   struct keel_core *core, struct keel_diag *diag);

/* All that --check does: parse, the core's values, the protocol's, and what would be served. The
 * tree is new in *conf (also on error: free it); the protocol's settings are made and freed.
 * whole: what helpers would find out too. access may be NULL. */
int keel_configuration_load(const struct keel_protocol *protocol, const struct keel_option *rows,
                            const struct keel_conf_source *source, struct keel_conf **conf,
                            struct keel_core *core, struct keel_endpoints *endpoints,
                            struct keel_access *access, bool whole, struct keel_diag *diag);

#endif
