#include "common/service/sockets.h"

#include "common/base/mem.h"
#include "common/runtime/packet.h"
#include "common/runtime/probe.h"
#include "common/runtime/sock.h"
#include "common/service/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/un.h>
#include <unistd.h>

bool keel_endpoint_same(const struct keel_endpoint *a, const struct keel_endpoint *b)
{
    return a->kind == b->kind && keel_addr_equal(&a->addr, &b->addr) &&
           strcmp(a->interface, b->interface) == 0 && strcmp(a->path, b->path) == 0 &&
           a->broadcast == b->broadcast && a->packet_info == b->packet_info;
}

const char *keel_endpoint_kind_name(enum keel_endpoint_kind kind)
{
    static const char *const names[] = {"",           "tcp",    "udp", "unix",
                                        "unix-dgram", "packet", "arp", "echo"};
    return kind >= KEEL_ENDPOINT_TCP && kind <= KEEL_ENDPOINT_ECHO ? names[kind] : "?";
}

size_t keel_kept_format(char *out, size_t size, const struct keel_kept *kept)
{
    const struct keel_endpoint *e = &kept->endpoint;
    char addr[KEEL_ADDR_TEXT] = "";
    const char *place = e->path;
    if (keel_addr_family(&e->addr) != AF_UNSPEC) {
        bool bound = keel_addr_family(&kept->bound) != AF_UNSPEC;
        keel_addr_format(addr, sizeof addr, bound ? &kept->bound : &e->addr);
        place = addr;
    }
    int n =
        snprintf(out, size, "%s%s%s", e->interface, e->interface[0] && place[0] ? " " : "", place);
    return n < 0 ? 0 : (size_t)n;
}

void keel_sockets_init(struct keel_sockets *sockets)
{
    *sockets = (struct keel_sockets){0};
    keel_list_init(&sockets->all);
}

void keel_sockets_close_fds(struct keel_kept *kept)
{
    for (unsigned i = 0; i < kept->count; i++)
        close(kept->fds[i]);
    keel_free(kept->fds);
    kept->fds = NULL;
    kept->count = 0;
    kept->opening++;
}

static void kept_free(struct keel_sockets *sockets, struct keel_kept *kept)
{
    bool has_path = kept->endpoint.kind == KEEL_ENDPOINT_UNIX ||
                    kept->endpoint.kind == KEEL_ENDPOINT_UNIX_DGRAM;
    if (has_path && kept->count > 0 && !kept->inherited && !kept->adopted && !sockets->left)
        unlink(kept->endpoint.path);
    keel_sockets_close_fds(kept);
    keel_list_remove(&kept->node);
    keel_free(kept);
}

void keel_sockets_fini(struct keel_sockets *sockets)
{
    keel_list_for_safe (node, &sockets->all)
        kept_free(sockets, KEEL_CONTAINER(node, struct keel_kept, node));
}

static int kept_add_fd(struct keel_kept *kept, int fd)
{
    int *grown = keel_realloc(kept->fds, (kept->count + 1) * sizeof(int));
    if (!grown)
        return KEEL_ENOMEM;
    kept->fds = grown;
    kept->fds[kept->count++] = fd;
    return 0;
}

/* --- opening --- */

static bool is_for(int fd, const struct keel_endpoint *e)
{
    struct keel_addr addr;
    int type = 0;
    socklen_t size = sizeof type;
    bool stream = e->kind == KEEL_ENDPOINT_TCP || e->kind == KEEL_ENDPOINT_UNIX;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != (stream ? SOCK_STREAM : SOCK_DGRAM))
        return false;
    if (e->path[0]) {
        struct sockaddr_un un = {0};
        size = sizeof un - 1;
        return getsockname(fd, (struct sockaddr *)&un, &size) == 0 && un.sun_family == AF_UNIX &&
               strcmp(un.sun_path, e->path) == 0;
    }
    return keel_sock_bound(fd, &addr) == 0 && keel_addr_equal(&addr, &e->addr);
}

/* A duplicate of the socket that systemd opened for this address, or -1. Its own stays open: a
 * reload may drop the address and another bring it back. */
static int claim_inherited(struct keel_sockets *sockets, const struct keel_endpoint *e)
{
    for (unsigned i = 0; i < sockets->inherited_fds; i++) {
        int fd = KEEL_NOTIFY_FIRST_FD + (int)i;
        if (is_for(fd, e))
            return fcntl(fd, F_DUPFD_CLOEXEC, KEEL_NOTIFY_FIRST_FD);
    }
    return -1;
}

/* One more descriptor for an endpoint; `at` is its address with the port to use. */
static int open_one(const struct keel_kept *kept, const struct keel_addr *at,
                    struct keel_diag *diag)
{
    const struct keel_endpoint *e = &kept->endpoint;
    const struct keel_sock_options options = {
        .reuse_port = kept->reuse_port,
        .broadcast = e->broadcast,
        .packet_info = e->packet_info,
        .device = e->interface,
        .receive_buffer = e->kind == KEEL_ENDPOINT_UDP ? 1 << 20 : 0,
    };
    switch (e->kind) {
    case KEEL_ENDPOINT_TCP:
        return keel_sock_listen(at, &options, diag);
    case KEEL_ENDPOINT_UDP:
        return keel_sock_udp(at, &options, diag);
    case KEEL_ENDPOINT_UNIX:
        return keel_sock_listen_unix(e->path, NULL, diag);
    case KEEL_ENDPOINT_UNIX_DGRAM:
        return keel_sock_unix_dgram(e->path, NULL, diag);
    case KEEL_ENDPOINT_PACKET:
        return keel_packet_open_send(diag);
    case KEEL_ENDPOINT_ARP:
        return keel_arp_open(diag);
    case KEEL_ENDPOINT_ECHO:
        return keel_echo_open(diag);
    }
    return keel_diag_set(diag, KEEL_EINVAL, "unknown kind of endpoint");
}

static bool interface_missing(const struct keel_endpoint *e)
{
    return e->interface[0] && if_nametoindex(e->interface) == 0;
}

/* Descriptors that an endpoint should have: as many as workers where the kernel balances. */
static unsigned wanted_fds(const struct keel_endpoint *e, enum keel_schedule schedule,
                           unsigned workers)
{
    if (e->kind == KEEL_ENDPOINT_TCP && schedule == KEEL_SCHEDULE_KERNEL)
        return workers;
    if (e->kind == KEEL_ENDPOINT_UDP && schedule != KEEL_SCHEDULE_SINGLE)
        return workers;
    return 1;
}

/* What the kernel made of it: the port, the interface's index. */
static void learn_place(struct keel_kept *kept, int fd)
{
    if (keel_addr_family(&kept->endpoint.addr) != AF_UNSPEC)
        keel_sock_bound(fd, &kept->bound);
    kept->interface_index =
        kept->endpoint.interface[0] ? if_nametoindex(kept->endpoint.interface) : 0;
}

static int kept_open(struct keel_kept *kept, unsigned wanted, struct keel_diag *diag)
{
    unsigned before = kept->count;
    if (!kept->reuse_port)
        wanted = 1;
    while (kept->count < wanted) {
        const struct keel_addr *at =
            keel_addr_family(&kept->bound) != AF_UNSPEC ? &kept->bound : &kept->endpoint.addr;
        int fd = open_one(kept, at, diag);
        int err = fd;
        if (fd >= 0 && (err = kept_add_fd(kept, fd)) != 0)
            keel_diag_memory(diag);
        if (err == 0 && kept->count == 1)
            learn_place(kept, fd);
        if (err == 0)
            continue;
        if (fd >= 0)
            close(fd);
        while (kept->count > before)
            close(kept->fds[--kept->count]);
        return err;
    }
    return 0;
}

int keel_sockets_open_late(struct keel_kept *kept, struct keel_diag *diag)
{
    return interface_missing(&kept->endpoint) ? KEEL_ENOENT : kept_open(kept, 1, diag);
}

/* The port that a socket of the other kind got for the same "address:0", so that UDP and TCP of
 * one `listen` agree. */
static void borrow_port(const struct keel_sockets *sockets, struct keel_kept *kept)
{
    if (keel_addr_family(&kept->endpoint.addr) == AF_UNSPEC ||
        keel_addr_port(&kept->endpoint.addr) != 0)
        return;
    keel_list_for (node, &sockets->all) {
        const struct keel_kept *other = KEEL_CONTAINER(node, struct keel_kept, node);
        if (other->endpoint.kind != kept->endpoint.kind && other->count > 0 &&
            keel_addr_equal(&other->endpoint.addr, &kept->endpoint.addr))
            kept->bound = other->bound;
    }
}

/* We serve this port already, at an address that includes this one or is part of it. */
static bool port_is_ours(const struct keel_sockets *sockets, const struct keel_endpoint *e)
{
    keel_list_for (node, &sockets->all) {
        const struct keel_kept *kept = KEEL_CONTAINER(node, struct keel_kept, node);
        if (kept->endpoint.kind == e->kind && kept->count > 0 &&
            strcmp(kept->endpoint.interface, e->interface) == 0 &&
            keel_addr_port(&kept->bound) == keel_addr_port(&e->addr) &&
            (keel_addr_is_any(&kept->bound) || keel_addr_is_any(&e->addr) ||
             keel_addr_equal_host(&kept->bound, &e->addr)))
            return true;
    }
    return false;
}

/* SO_REUSEPORT would let us in beside a daemon that serves this address already: knock first. */
static int port_is_free(const struct keel_sockets *sockets, const struct keel_endpoint *e,
                        struct keel_diag *diag)
{
    if (keel_addr_port(&e->addr) == 0 || port_is_ours(sockets, e))
        return 0;
    struct keel_kept probe = {.endpoint = *e};
    int fd = open_one(&probe, &e->addr, diag);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

/* For port 0. Asked with SO_REUSEPORT, the kernel may give a port that another of our user's
 * daemons shares already: a socket without it gets one that is nobody's. */
static void choose_port(struct keel_kept *kept)
{
    struct keel_kept probe = {.endpoint = kept->endpoint};
    if (!kept->reuse_port || keel_addr_port(&kept->endpoint.addr) != 0 ||
        keel_addr_family(&kept->bound) != AF_UNSPEC)
        return;
    int fd = open_one(&probe, &kept->endpoint.addr, NULL);
    if (fd < 0)
        return; /* the real attempt says why */
    keel_sock_bound(fd, &kept->bound);
    close(fd);
}

static int kept_fill(struct keel_sockets *sockets, struct keel_kept *kept, unsigned wanted,
                     struct keel_diag *diag)
{
    const struct keel_endpoint *e = &kept->endpoint;
    int fd = claim_inherited(sockets, e);
    if (fd >= 0) {
        kept->inherited = true;
        kept->reuse_port = false; /* one queue that all workers share */
        kept->bound = e->addr;
        if (kept_add_fd(kept, fd) == 0)
            return 0;
        close(fd);
        return keel_diag_memory(diag);
    }
    if (interface_missing(e))
        return 0;
    borrow_port(sockets, kept);
    choose_port(kept);
    int err = kept->reuse_port ? port_is_free(sockets, e, diag) : 0;
    if (!err)
        err = kept_open(kept, wanted, diag);
    if (err && kept->reuse_port && keel_addr_port(&e->addr) == 0) {
        kept->bound = (struct keel_addr){0}; /* taken for this kind: any other port */
        err = kept_open(kept, wanted, diag);
    }
    if (err == KEEL_EACCES && e->kind >= KEEL_ENDPOINT_PACKET)
        return 0; /* the protocol does without it */
    return err;
}

static int kept_new(struct keel_sockets *sockets, const struct keel_endpoint *e, unsigned wanted,
                    struct keel_kept **out, struct keel_diag *diag)
{
    struct keel_kept *kept = keel_calloc(1, sizeof *kept);
    if (!kept)
        return keel_diag_memory(diag);
    kept->endpoint = *e;
    kept->opening = 1;
    kept->reuse_port = e->kind == KEEL_ENDPOINT_TCP || e->kind == KEEL_ENDPOINT_UDP;
    int err = kept_fill(sockets, kept, wanted, diag);
    if (err) {
        keel_sockets_close_fds(kept);
        keel_free(kept);
        return err;
    }
    keel_list_push_back(&sockets->all, &kept->node);
    *out = kept;
    return 0;
}

/* A kept socket for this endpoint that no earlier entry of the same list took. */
static struct keel_kept *find_kept(const struct keel_sockets *sockets,
                                   const struct keel_endpoint *e, struct keel_kept **taken,
                                   unsigned taken_count)
{
    keel_list_for (node, &sockets->all) {
        struct keel_kept *kept = KEEL_CONTAINER(node, struct keel_kept, node);
        bool used = false;
        for (unsigned i = 0; i < taken_count; i++)
            used = used || taken[i] == kept;
        if (!used && keel_endpoint_same(&kept->endpoint, e))
            return kept;
    }
    return NULL;
}

int keel_sockets_acquire(struct keel_sockets *sockets, const struct keel_endpoints *endpoints,
                         enum keel_schedule schedule, unsigned workers, struct keel_kept **kept,
                         struct keel_diag *diag)
{
    for (unsigned i = 0; i < endpoints->count; i++) {
        const struct keel_endpoint *e = &endpoints->items[i];
        unsigned wanted = wanted_fds(e, schedule, workers);
        kept[i] = find_kept(sockets, e, kept, i);
        int err = 0;
        if (!kept[i])
            err = kept_new(sockets, e, wanted, &kept[i], diag);
        else if (kept[i]->count > 0)
            err = kept_open(kept[i], wanted, diag);
        if (err) {
            keel_sockets_drop(sockets, kept, i);
            return err;
        }
        kept[i]->users++;
    }
    return 0;
}

void keel_sockets_own(struct keel_sockets *sockets)
{
    keel_list_for_safe (node, &sockets->all) {
        struct keel_kept *kept = KEEL_CONTAINER(node, struct keel_kept, node);
        kept->adopted = false;
        if (kept->users == 0)
            kept_free(sockets, kept);
    }
}

void keel_sockets_drop(struct keel_sockets *sockets, struct keel_kept **kept, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        /* one that was adopted for nothing is closed in keel_sockets_own */
        if (kept[i] && --kept[i]->users == 0 && !kept[i]->adopted)
            kept_free(sockets, kept[i]);
        kept[i] = NULL;
    }
}

/* The kept socket whose next descriptor this is: those of one endpoint come in the order of their
 * slots. NULL: the first of a new one. */
static struct keel_kept *adopting(const struct keel_sockets *sockets,
                                  const struct keel_endpoint *endpoint, unsigned slot)
{
    struct keel_kept *found = NULL;
    keel_list_for (node, &sockets->all) {
        struct keel_kept *kept = KEEL_CONTAINER(node, struct keel_kept, node);
        if (kept->count == slot && slot > 0 && keel_endpoint_same(&kept->endpoint, endpoint))
            found = kept;
    }
    return found;
}

static struct keel_kept *adopt_first(struct keel_sockets *sockets,
                                     const struct keel_endpoint *endpoint, int fd, bool inherited)
{
    struct keel_kept *kept = keel_calloc(1, sizeof *kept);
    int on = 0;
    socklen_t size = sizeof on;
    if (!kept)
        return NULL;
    kept->endpoint = *endpoint;
    kept->opening = 1;
    kept->adopted = true;
    kept->inherited = inherited;
    learn_place(kept, fd);
    if (!inherited && (endpoint->kind == KEEL_ENDPOINT_TCP || endpoint->kind == KEEL_ENDPOINT_UDP))
        kept->reuse_port = getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &size) == 0 && on != 0;
    keel_list_push_back(&sockets->all, &kept->node);
    return kept;
}

int keel_sockets_adopt(struct keel_sockets *sockets, const struct keel_endpoint *endpoint,
                       unsigned slot, int fd, bool inherited)
{
    struct keel_kept *kept = adopting(sockets, endpoint, slot);
    if (!kept)
        kept = adopt_first(sockets, endpoint, fd, inherited);
    int err = kept ? kept_add_fd(kept, fd) : KEEL_ENOMEM;
    if (err)
        close(fd);
    else
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return err;
}
