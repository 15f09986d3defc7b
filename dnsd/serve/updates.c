#include "dnsd/serve/updates.h"

#include "common/base/mem.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH 2 /* before a message in a stream */

/* One that waits for the keeper. */
struct update_wait {
    struct dns_pending pending; /* over a connection */
    struct dns_request request;
    struct dns_serve *serve;
    struct dns_query query; /* borrows peer and bytes, which are here */
    struct keel_addr peer;
    int fd;      /* UDP: a copy of the socket, which may be handed on before the answer; else -1 */
    bool queued; /* the answer is in the stream */
    uint8_t bytes[];
};

static void free_wait(struct dns_pending *pending)
{
    struct update_wait *wait = KEEL_CONTAINER(pending, struct update_wait, pending);
    dns_requests_cancel(&wait->serve->requests, &wait->request);
    if (wait->fd >= 0)
        close(wait->fd);
    keel_free(wait);
}

/* The answer, in serve->reply behind room for the length: its size, 0: there is none. */
static size_t build_answer(struct update_wait *wait, size_t room)
{
    struct dns_serve *serve = wait->serve;
    struct dns_tally tally = {{0}};
    serve->context.now = keel_clock_realtime() / KEEL_NS_PER_S;
    size_t size = dns_query_answer(&wait->query, &serve->context, serve->reply + LENGTH, room);
    dns_serve_answered(serve, &tally, &wait->query, size, serve->reply + LENGTH, size);
    dns_tally_add(&tally, serve->metrics);
    return size;
}

static void answer_datagram(struct update_wait *wait)
{
    size_t size = build_answer(wait, wait->serve->context.udp_size);
    ssize_t n;
    do
        n = size > 0 ? sendto(wait->fd, wait->serve->reply + LENGTH, size, MSG_DONTWAIT,
                              &wait->peer.sa, keel_addr_size(&wait->peer))
                     : 0;
    while (n < 0 && errno == EINTR); /* what does not leave the client asks for again */
    free_wait(&wait->pending);
}

static void on_reply(struct dns_request *request, unsigned rcode, struct keel_message *message)
{
    struct update_wait *wait = KEEL_CONTAINER(request, struct update_wait, request);
    wait->query.rcode = (uint16_t)rcode;
    wait->query.updated = NULL;
    if (wait->fd >= 0)
        answer_datagram(wait);
    else
        wait->pending.on_turn(wait->pending.stream);
}

static int run(struct dns_pending *pending, uint64_t now)
{
    struct update_wait *wait = KEEL_CONTAINER(pending, struct update_wait, pending);
    uint8_t *reply = wait->serve->reply;
    if (wait->request.number != 0)
        return KEEL_EAGAIN;
    if (wait->queued)
        return 0; /* and the stream has drained */
    size_t size = build_answer(wait, UINT16_MAX);
    if (size == 0)
        return KEEL_EPROTO;
    wait->queued = true;
    keel_put_u16(reply, (uint16_t)size);
    return keel_stream_write(pending->stream, reply, LENGTH + size);
}

/* fd is the wait's when it succeeds. NULL: no. */
static struct update_wait *begin(struct dns_serve *serve, const struct dns_query *query, int fd,
                                 const struct dns_pending *pending)
{
    struct update_wait *wait = keel_malloc(sizeof *wait + query->size);
    if (!wait)
        return NULL;
    wait->pending = *pending;
    wait->serve = serve;
    wait->fd = fd;
    wait->queued = false;
    wait->peer = *query->peer;
    wait->query = *query;
    wait->query.peer = &wait->peer;
    wait->query.bytes = wait->bytes;
    wait->request.on_reply = on_reply;
    memcpy(wait->bytes, query->bytes, query->size);
    int err = dns_requests_send(&serve->requests, &wait->request, DNS_MSG_UPDATE,
                                &query->updated->apex, query->peer, query->bytes, query->size);
    if (err == 0)
        return wait;
    keel_free(wait);
    return NULL;
}

int dns_updates_datagram(struct dns_serve *serve, const struct dns_query *query,
                         struct keel_dgram *d)
{
    int fd = fcntl(keel_dgram_fd(d), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return KEEL_ESYS;
    if (begin(serve, query, fd, &(struct dns_pending){.free = free_wait}))
        return 0;
    close(fd);
    return KEEL_EBUSY;
}

struct dns_pending *dns_updates_stream(struct dns_serve *serve, struct keel_stream *stream,
                                       const struct dns_query *query,
                                       void (*on_turn)(struct keel_stream *stream))
{
    const struct dns_pending pending = {stream, run, free_wait, on_turn};
    struct update_wait *wait = begin(serve, query, -1, &pending);
    return wait ? &wait->pending : NULL;
}
