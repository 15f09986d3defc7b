/*
 * The descriptors that the master keeps: opened once, handed to every generation of workers, closed
 * only when no configuration wants them any more. So a client never meets a closed door.
 *
 * An endpoint has one descriptor for each worker where the kernel balances (SO_REUSEPORT), else
 * one. More workers than descriptors: new ones are opened. Fewer: the rest stays and is served by
 * the workers there are, because closing one would reset the clients in its queue.
 */
#ifndef KEEL_SERVICE_SOCKETS_H
#define KEEL_SERVICE_SOCKETS_H

#include "common/service/module.h"

struct keel_kept {
    struct keel_list node;
    struct keel_endpoint endpoint; /* as configured */
    struct keel_addr bound;        /* with the real port; AF_UNSPEC: none */
    int *fds;
    unsigned count;           /* 0: the interface is not there (yet) */
    uint32_t opening;         /* from 1 on; one more whenever they were closed */
    unsigned users;           /* generations that want it */
    bool reuse_port;          /* more descriptors may be opened on its port */
    unsigned interface_index; /* that it was opened on; 0: none */
    bool inherited;           /* from systemd: never unlinked */
    bool adopted; /* of the master before us, which has not left yet: its path is not ours */
};

struct keel_sockets {
    struct keel_list all;
    unsigned inherited_fds; /* of systemd; they stay open, duplicates are served */
    bool left;              /* another master has them now: no path is removed any more */
};

void keel_sockets_init(struct keel_sockets *sockets);
/* Closes everything and removes the unix paths that are ours. */
void keel_sockets_fini(struct keel_sockets *sockets);

/* The same address, interface or path, so that a descriptor of one serves the other. */
bool keel_endpoint_same(const struct keel_endpoint *a, const struct keel_endpoint *b);

/* Finds or opens what a configuration wants: kept[i] belongs to endpoints->items[i], with a
 * descriptor for each of `workers` where the kernel balances: TCP with schedule kernel, UDP with
 * all but single. Adds one user to each. On error diag names the address and no user is added.
 * Descriptors that a kept one gained stay with it, on error too (closing one would reset its
 * clients): whoever serves it has to look for more. */
int keel_sockets_acquire(struct keel_sockets *sockets, const struct keel_endpoints *endpoints,
                         enum keel_schedule schedule, unsigned workers, struct keel_kept **kept,
                         struct keel_diag *diag);
/* Takes one user off each; those without any are closed. */
void keel_sockets_drop(struct keel_sockets *sockets, struct keel_kept **kept, unsigned count);
/* Adds a descriptor that came with a manifest; takes fd, also on error. */
int keel_sockets_adopt(struct keel_sockets *sockets, const struct keel_endpoint *endpoint,
                       unsigned slot, int fd, bool inherited);
/* After an upgrade: what was adopted is ours now; closes what nobody uses. */
void keel_sockets_own(struct keel_sockets *sockets);

/* Tries to open a kept socket whose interface was missing: 0 when it is open now. */
int keel_sockets_open_late(struct keel_kept *kept, struct keel_diag *diag);
/* Closes the descriptors of a kept socket whose interface went. */
void keel_sockets_close_fds(struct keel_kept *kept);
/* "127.0.0.1:53", "lan0 0.0.0.0:67", "/run/x.sock": for logs and status. */
size_t keel_kept_format(char *out, size_t size, const struct keel_kept *kept);
const char *keel_endpoint_kind_name(enum keel_endpoint_kind kind);

#endif
