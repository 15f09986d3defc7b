/*
 * The manifest: what a new process of a daemon is told, in a memfd that it inherits. One line of
 * JSON (role, generation, descriptors), then the configuration text and the overrides as raw bytes.
 * Start, reload, respawn and upgrade all go through it.
 */
#ifndef KEEL_SERVICE_MANIFEST_H
#define KEEL_SERVICE_MANIFEST_H

#include "common/runtime/tls.h"
#include "common/service/module.h"

/* The environment variable that names the manifest's descriptor. */
#define KEEL_MANIFEST_ENV "KEEL_MANIFEST"
/* Most bytes of one: configuration text included. */
#define KEEL_MANIFEST_LIMIT (256u << 20)

/* The secrets of TLS session tickets, of all processes, the newest first. */
struct keel_ticket_ring {
    uint8_t secrets[KEEL_TLS_TICKET_KEYS][KEEL_TLS_TICKET_SECRET];
    uint64_t made_ns[KEEL_TLS_TICKET_KEYS]; /* monotonic */
    unsigned count;
};

enum keel_role {
    KEEL_ROLE_WORKER = 1,
    KEEL_ROLE_MASTER, /* the new master of an upgrade */
    KEEL_ROLE_HELPER, /* `worker` is its number */
};

/* A descriptor that is handed on: for endpoint `endpoint`, the master's slot `slot`. */
struct keel_manifest_fd {
    unsigned endpoint, slot;
    int fd;
    bool inherited; /* systemd's */
};

struct keel_manifest {
    enum keel_role role;
    unsigned generation, worker, workers;
    unsigned slot;                      /* in the segment */
    bool active;                        /* schedule single: serve at once */
    bool replaces;                      /* another generation serves until this one is ready */
    int channel, segment, control, log; /* descriptors; -1: none */
    int log_level;                      /* -1: as configured */
    char *conf_file;                    /* NULL: none */
    char *conf_text;                    /* NULL: none */
    char *overrides;                    /* NULL: none */
    struct keel_endpoints endpoints; /* worker: as configured; master: those whose fds come along */
    struct keel_manifest_fd *fds;
    unsigned fd_count;
    struct keel_ticket_ring tickets;
    struct keel_input_file *files; /* worker: copies of files that it reads */
    unsigned file_count;
    char *counters; /* master: JSON object of metric totals; NULL: none */
    uint64_t started_ns; /* master: realtime of the first start */
};

void keel_manifest_init(struct keel_manifest *m);
/* Frees what it owns; closes no descriptor. */
void keel_manifest_fini(struct keel_manifest *m);
int keel_manifest_add_fd(struct keel_manifest *m, unsigned endpoint, unsigned slot, int fd,
                         bool inherited);
/* In a child, before exec: the descriptors that it names survive that. */
void keel_manifest_pass(const struct keel_manifest *m);
/* Returns a new memfd (not CLOEXEC) with the manifest, or KEEL_ESYS / KEEL_ENOMEM. */
int keel_manifest_write(const struct keel_manifest *m);
/* Reads the whole of fd (from its start). KEEL_EINVAL with diag when it is not a manifest. */
int keel_manifest_read(int fd, struct keel_manifest *m, struct keel_diag *diag);
/* The parser of read, on bytes. */
int keel_manifest_parse(const void *bytes, size_t size, struct keel_manifest *m,
                        struct keel_diag *diag);

#endif
