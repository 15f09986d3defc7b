/*
 * The host of one protocol in one process: it turns descriptors into connections and datagrams for
 * the protocol's record, counts and limits them, and drains. Several can live on one loop.
 */
#ifndef KEEL_SERVICE_HOST_H
#define KEEL_SERVICE_HOST_H

#include "common/service/module.h"
#include "common/service/segment.h"

struct keel_host;

struct keel_host_options {
    struct keel_loop *loop;
    const struct keel_protocol *protocol;
    void *settings;                        /* borrowed */
    const struct keel_endpoint *endpoints; /* borrowed */
    unsigned endpoint_count;
    const char *state_dir;
    unsigned worker, workers;
    struct keel_slot *slot; /* borrowed; NULL: a private one */
    struct keel_metrics metrics;
    const struct keel_board *board; /* borrowed; NULL: none */
    unsigned board_slot;
    unsigned max_connections;         /* 0: derived from the descriptor limit */
    const struct keel_helper *helper; /* the process is this helper; NULL: a worker */
    unsigned peers;                   /* helpers of a worker, workers of a helper */
    bool active;                      /* false: a warm standby, which serves nothing yet */
    bool replaces;                    /* as keel_instance.replaces */
    void (*on_ready)(void *arg);      /* keel_instance_ready, when `start` had asked for time */
    void *on_ready_arg;
    void (*on_retired)(void *arg); /* keel_instance_retired */
    void *on_retired_arg;
};

/* Starts the protocol (its `start`, and `activate` when active). Returns new in *out. */
int keel_host_new(const struct keel_host_options *options, struct keel_host **out,
                  struct keel_diag *diag);
/* Closes everything and stops the protocol. */
void keel_host_free(struct keel_host *host);
struct keel_instance *keel_host_instance(struct keel_host *host);

/* False while `start` waits for something: nothing is served before. */
bool keel_host_ready(const struct keel_host *host);
/* A channel to peer number `peer` (takes fd); replaces the one there was. */
int keel_host_peer(struct keel_host *host, unsigned peer, int fd);

/* From standby to active. The error is the protocol's. */
int keel_host_activate(struct keel_host *host, struct keel_diag *diag);
/* A helper's `retire`, when it has one and is active. */
void keel_host_retire(struct keel_host *host);

/* Serves descriptor fd (takes it, also on error) for an endpoint; `slot` is the master's number
 * for it. */
int keel_host_serve(struct keel_host *host, unsigned endpoint, unsigned slot, int fd);
/* Stops serving it and closes it; nothing when it is not served. */
void keel_host_release(struct keel_host *host, unsigned endpoint, unsigned slot);
/* A connection that somebody else accepted; takes fd. */
void keel_host_take_connection(struct keel_host *host, unsigned endpoint, int fd);

/* Another content of a file that the protocol's configure read (keel_access_add_live). 0, or what
 * the protocol says of it. */
int keel_host_file(struct keel_host *host, const char *path, const char *text, size_t size,
                   struct keel_diag *diag);

/* The protocol's log file number `index`, opened; takes fd. */
void keel_host_log_file(struct keel_host *host, unsigned index, int fd);

/* Stops accepting; on_drained(arg) follows (never from inside this call) once all connections and
 * the protocol's own work ended, at the latest after deadline_ns, when the rest is closed. */
void keel_host_drain(struct keel_host *host, uint64_t deadline_ns, void (*on_drained)(void *arg),
                     void *arg);
unsigned keel_host_connections(const struct keel_host *host);
/* Replies to `connections` that are being made (service/connections.h). */
struct keel_list *keel_host_listings(struct keel_host *host);
/* Its certificates (service/certificates.h), borrowed; NULL: none. They are collected when they are
 * asked for, and again after keel_host_restapled: a stapled response was replaced. */
const json_t *keel_host_certificates(struct keel_host *host);
void keel_host_restapled(struct keel_host *host);

/* The control command that runs now (worker_command.c); NULL: none. */
struct keel_running;
struct keel_running *keel_host_running(const struct keel_host *host);
void keel_host_set_running(struct keel_host *host, struct keel_running *running);

#endif
