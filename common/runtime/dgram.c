#include "common/runtime/dgram.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_SIZE 4096
#define DEFAULT_BATCHES 3

/* Room for either family's packet info; aligned for cmsghdr. */
union info_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Unix peers have long names: kept beside, and the keel_addr carries their index. */
struct unix_name {
    struct sockaddr_un un;
    socklen_t size;
};

struct keel_dgram {
    struct keel_io io;
    struct keel_task flush;
    struct keel_loop *loop;
    keel_dgram_on_batch on_batch;
    void *arg;
    struct keel_dgram_options options;
    sa_family_t family;
    bool in_batch, freed, paused;
    unsigned queued; /* replies waiting in out */
    size_t out_used; /* bytes of out_bytes taken by them */
    struct keel_dgram_stats stats;

    struct keel_datagram batch[KEEL_DGRAM_BATCH];
    struct mmsghdr in[KEEL_DGRAM_BATCH], out[KEEL_DGRAM_BATCH];
    struct iovec in_iov[KEEL_DGRAM_BATCH], out_iov[KEEL_DGRAM_BATCH];
    struct keel_addr out_peer[KEEL_DGRAM_BATCH];
    union info_control *in_control, *out_control; /* with packet_info only */
    struct unix_name *in_unix, *out_unix;         /* AF_UNIX only */
    uint8_t *in_bytes, *out_bytes;
};

static void free_memory(struct keel_dgram *d)
{
    keel_free(d->in_bytes);
    keel_free(d->out_bytes);
    keel_free(d->in_control);
    keel_free(d->out_control);
    keel_free(d->in_unix);
    keel_free(d->out_unix);
    keel_free(d);
}

static bool allocate(struct keel_dgram *d)
{
    const struct keel_dgram_options *o = &d->options;
    d->in_bytes = keel_malloc((size_t)KEEL_DGRAM_BATCH * o->receive_size);
    d->out_bytes = keel_malloc((size_t)KEEL_DGRAM_BATCH * o->send_size);
    if (!d->in_bytes || !d->out_bytes)
        return false;
    if (o->packet_info) {
        d->in_control = keel_calloc(KEEL_DGRAM_BATCH, sizeof *d->in_control);
        d->out_control = keel_calloc(KEEL_DGRAM_BATCH, sizeof *d->out_control);
        if (!d->in_control || !d->out_control)
            return false;
    }
    if (d->family == AF_UNIX) {
        d->in_unix = keel_calloc(KEEL_DGRAM_BATCH, sizeof *d->in_unix);
        d->out_unix = keel_calloc(KEEL_DGRAM_BATCH, sizeof *d->out_unix);
        if (!d->in_unix || !d->out_unix)
            return false;
    }
    return true;
}

/* Everything of the headers that does not change from batch to batch. */
static void prepare(struct keel_dgram *d)
{
    for (unsigned i = 0; i < KEEL_DGRAM_BATCH; i++) {
        d->in_iov[i].iov_base = d->in_bytes + (size_t)i * d->options.receive_size;
        d->in_iov[i].iov_len = d->options.receive_size;
        d->batch[i].bytes = d->in_iov[i].iov_base;
        struct msghdr *in = &d->in[i].msg_hdr;
        in->msg_iov = &d->in_iov[i];
        in->msg_iovlen = 1;
        in->msg_name = d->in_unix ? (void *)&d->in_unix[i].un : (void *)&d->batch[i].peer;
        in->msg_namelen = d->in_unix ? sizeof d->in_unix[i].un : sizeof d->batch[i].peer;
        if (d->in_control) {
            in->msg_control = &d->in_control[i];
            in->msg_controllen = sizeof d->in_control[i];
        }
        d->out[i].msg_hdr.msg_iov = &d->out_iov[i];
        d->out[i].msg_hdr.msg_iovlen = 1;
    }
}

static void on_readable(struct keel_io *io, short what);
static void on_flush(struct keel_task *task);

struct keel_dgram *keel_dgram_new(struct keel_loop *loop, int fd,
                                  const struct keel_dgram_options *options,
                                  keel_dgram_on_batch on_batch, void *arg)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;
    struct keel_dgram *d = keel_calloc(1, sizeof *d);
    if (!d)
        return NULL;
    if (options)
        d->options = *options;
    if (d->options.receive_size == 0)
        d->options.receive_size = DEFAULT_SIZE;
    if (d->options.send_size == 0)
        d->options.send_size = DEFAULT_SIZE;
    if (!d->options.batches)
        d->options.batches = DEFAULT_BATCHES;
    d->loop = loop;
    d->on_batch = on_batch;
    d->arg = arg;
    if (getsockname(fd, (struct sockaddr *)&ss, &size) == 0)
        d->family = ss.ss_family;
    keel_task_init(&d->flush, on_flush);
    if (!allocate(d)) {
        free_memory(d);
        return NULL;
    }
    prepare(d);
    if (keel_io_start(&d->io, loop, fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, "dgram", on_readable)) {
        free_memory(d);
        return NULL;
    }
    return d;
}

void keel_dgram_free(struct keel_dgram *d)
{
    if (!d)
        return;
    keel_io_stop(&d->io);
    keel_task_stop(&d->flush);
    d->freed = true;
    if (!d->in_batch)
        free_memory(d);
}

void *keel_dgram_arg(const struct keel_dgram *d)
{
    return d->arg;
}

int keel_dgram_fd(const struct keel_dgram *d)
{
    return event_get_fd(&d->io.ev);
}

void keel_dgram_pause(struct keel_dgram *d)
{
    d->paused = true;
    keel_io_change(&d->io, 0);
}

void keel_dgram_resume(struct keel_dgram *d)
{
    d->paused = false;
    keel_io_change(&d->io, KEEL_READ);
}

const struct keel_dgram_stats *keel_dgram_stats(const struct keel_dgram *d)
{
    return &d->stats;
}

static void set_in4(struct keel_addr *a, const void *address, in_port_t port)
{
    memset(a, 0, sizeof *a);
    a->in4.sin_family = AF_INET;
    a->in4.sin_port = port;
    memcpy(&a->in4.sin_addr, address, 4);
}

/* IPv4 peers of a dual-stack socket look like IPv4: access lists know them by that. */
static void set_in6(struct keel_addr *a, const struct in6_addr *address, in_port_t port)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        set_in4(a, address->s6_addr + 12, port);
        return;
    }
    memset(a, 0, sizeof *a);
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_port = port;
    a->in6.sin6_addr = *address;
}

static void read_packet_info(struct keel_datagram *m, struct msghdr *hdr)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            /* Not ipi_addr, which is the broadcast address when it came by broadcast. */
            set_in4(&m->local, &info.ipi_spec_dst, 0);
            m->interface = (uint32_t)info.ipi_ifindex;
            m->broadcast = info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            set_in6(&m->local, &info.ipi6_addr, 0);
            m->interface = info.ipi6_ifindex;
        }
    }
}

/* Turns what the kernel filled in into the record, and the header back into an empty one. */
static void take(struct keel_dgram *d, unsigned i)
{
    struct keel_datagram *m = &d->batch[i];
    struct msghdr *hdr = &d->in[i].msg_hdr;
    m->size = d->in[i].msg_len;
    m->truncated = (hdr->msg_flags & MSG_TRUNC) != 0;
    m->local.sa.sa_family = AF_UNSPEC;
    m->interface = 0;
    if (d->in_unix) {
        d->in_unix[i].size = hdr->msg_namelen;
        memset(&m->peer, 0, sizeof m->peer);
        m->peer.in4.sin_family = AF_UNIX;
        m->peer.in4.sin_port = (in_port_t)i;
        hdr->msg_namelen = sizeof d->in_unix[i].un;
        return;
    }
    if (hdr->msg_namelen == 0)
        m->peer.sa.sa_family = AF_UNSPEC;
    else if (m->peer.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&m->peer.in6.sin6_addr)) {
        struct sockaddr_in6 mapped = m->peer.in6;
        set_in6(&m->peer, &mapped.sin6_addr, mapped.sin6_port);
    }
    hdr->msg_namelen = sizeof m->peer;
    if (d->in_control) {
        read_packet_info(m, hdr);
        hdr->msg_controllen = sizeof d->in_control[i];
    }
}

static void send_queued(struct keel_dgram *d)
{
    unsigned done = 0;
    int fd = event_get_fd(&d->io.ev);
    bool retried = false;
    while (done < d->queued) {
        int n = sendmmsg(fd, d->out + done, d->queued - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            d->stats.sent += (unsigned)n;
            done += (unsigned)n;
            retried = false;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN && d->family == AF_UNIX) {
            d->stats.dropped++; /* this peer's queue is full, not ours */
            done++;
            continue;
        }
        if (errno == EAGAIN || errno == ENOBUFS) {
            /* The queue of the interface is full: datagrams may be lost, clients ask again. */
            d->stats.dropped += d->queued - done;
            break;
        }
        /* The error may be an old one of the socket (ICMP for a connected one): once again, then
         * this one is skipped and the others go on. */
        if (!retried && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)) {
            retried = true;
            continue;
        }
        retried = false;
        d->stats.errors++;
        done++;
    }
    d->queued = 0;
    d->out_used = 0;
}

static void on_flush(struct keel_task *task)
{
    send_queued(KEEL_CONTAINER(task, struct keel_dgram, flush));
}

static void on_readable(struct keel_io *io, short what)
{
    struct keel_dgram *d = KEEL_CONTAINER(io, struct keel_dgram, io);
    int fd = event_get_fd(&io->ev);
    for (unsigned turn = 0; turn < d->options.batches; turn++) {
        int n = recvmmsg(fd, d->in, KEEL_DGRAM_BATCH, MSG_DONTWAIT, NULL);
        if (n <= 0)
            return; /* EAGAIN, or an ICMP error that is now taken off the socket */
        for (unsigned i = 0; i < (unsigned)n; i++)
            take(d, i);
        d->stats.received += (unsigned)n;
        d->in_batch = true;
        d->on_batch(d, d->batch, (unsigned)n);
        d->in_batch = false;
        if (d->freed) {
            free_memory(d);
            return;
        }
        if (d->queued > 0)
            send_queued(d);
        if (n < KEEL_DGRAM_BATCH || d->paused)
            return;
    }
}

uint8_t *keel_dgram_reserve(struct keel_dgram *d, size_t *size)
{
    size_t whole = (size_t)KEEL_DGRAM_BATCH * d->options.send_size;
    if (d->queued == KEEL_DGRAM_BATCH || whole - d->out_used < d->options.send_size)
        send_queued(d);
    *size = whole - d->out_used;
    return d->out_bytes + d->out_used;
}

/* The interface matters where the address alone does not say the way. */
static bool needs_interface(const struct keel_addr *peer)
{
    if (peer->sa.sa_family == AF_INET) {
        uint32_t a = ntohl(peer->in4.sin_addr.s_addr);
        return a == INADDR_BROADCAST || IN_MULTICAST(a);
    }
    return IN6_IS_ADDR_LINKLOCAL(&peer->in6.sin6_addr) ||
           IN6_IS_ADDR_MULTICAST(&peer->in6.sin6_addr);
}

static void map_to6(struct keel_addr *a)
{
    struct sockaddr_in in4 = a->in4;
    memset(a, 0, sizeof *a);
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_port = in4.sin_port;
    a->in6.sin6_addr.s6_addr[10] = a->in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(a->in6.sin6_addr.s6_addr + 12, &in4.sin_addr, 4);
}

static void write_packet_info(struct keel_dgram *d, struct msghdr *hdr, unsigned i,
                              const struct keel_datagram *to)
{
    union info_control *control = &d->out_control[i];
    uint32_t interface = to->interface && needs_interface(&to->peer) ? to->interface : 0;
    struct keel_addr local = to->local;
    if (d->family == AF_INET6 && local.sa.sa_family == AF_INET)
        map_to6(&local);
    bool known = local.sa.sa_family == d->family && !keel_addr_is_any(&local) &&
                 !(d->family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&local.in6.sin6_addr));
    if (!known && !interface)
        return;
    struct cmsghdr *c = &control->align;
    memset(control, 0, sizeof *control);
    hdr->msg_control = control;
    if (d->family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = (int)interface};
        if (known)
            info.ipi_spec_dst = local.in4.sin_addr;
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(c), &info, sizeof info);
        hdr->msg_controllen = CMSG_SPACE(sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = interface};
        if (known)
            info.ipi6_addr = local.in6.sin6_addr;
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(c), &info, sizeof info);
        hdr->msg_controllen = CMSG_SPACE(sizeof info);
    }
}

/* The destination of reply i; false when it cannot be one. */
static bool set_peer(struct keel_dgram *d, struct msghdr *hdr, unsigned i,
                     const struct keel_addr *peer)
{
    hdr->msg_name = NULL;
    hdr->msg_namelen = 0;
    if (peer->sa.sa_family == AF_UNSPEC)
        return true;
    if (peer->sa.sa_family == AF_UNIX) {
        unsigned from = peer->in4.sin_port;
        if (!d->out_unix || !d->in_batch || from >= KEEL_DGRAM_BATCH)
            return false;
        if (d->in_unix[from].size <= offsetof(struct sockaddr_un, sun_path))
            return false; /* the sender has no name: no way back */
        d->out_unix[i] = d->in_unix[from];
        hdr->msg_name = &d->out_unix[i].un;
        hdr->msg_namelen = d->out_unix[i].size;
        return true;
    }
    d->out_peer[i] = *peer;
    if (d->family == AF_INET6 && peer->sa.sa_family == AF_INET)
        map_to6(&d->out_peer[i]);
    hdr->msg_name = &d->out_peer[i];
    hdr->msg_namelen = keel_addr_size(&d->out_peer[i]);
    return true;
}

void keel_dgram_commit(struct keel_dgram *d, const struct keel_datagram *to, size_t size)
{
    size_t whole = (size_t)KEEL_DGRAM_BATCH * d->options.send_size;
    unsigned i = d->queued;
    KEEL_ASSERT(i < KEEL_DGRAM_BATCH && size <= whole - d->out_used,
                "a reply is committed into the room that was reserved");
    if (d->freed)
        return;
    struct msghdr *hdr = &d->out[i].msg_hdr;
    if (!set_peer(d, hdr, i, &to->peer)) {
        d->stats.errors++;
        return;
    }
    hdr->msg_control = NULL;
    hdr->msg_controllen = 0;
    if (d->out_control && hdr->msg_name)
        write_packet_info(d, hdr, i, to);
    d->out_iov[i].iov_base = d->out_bytes + d->out_used;
    d->out_iov[i].iov_len = size;
    d->out_used += size;
    d->queued++;
    if (!d->in_batch)
        keel_task_start(d->loop, &d->flush);
}

void keel_dgram_send(struct keel_dgram *d, const struct keel_datagram *to, const void *bytes,
                     size_t size)
{
    size_t room;
    uint8_t *out = keel_dgram_reserve(d, &room);
    if (size > room) {
        d->stats.errors++;
        return;
    }
    memcpy(out, bytes, size);
    keel_dgram_commit(d, to, size);
}
