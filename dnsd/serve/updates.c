#include "dnsd/serve/updates.h"

#include "common/base/mem.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH 2 /* before a message in a stream */

struct dns_update_wait {
    struct dns_request request;
    struct dns_serve *serve;
    struct dns_query query; /* borrows peer and bytes, which are here */
    struct keel_addr peer;
    int fd; /* UDP: a copy of the socket, which may be handed on before the answer; else -1 */
    void (*on_answer)(void *arg, const struct dns_query *query, size_t size);
    void *arg;
    uint8_t bytes[];
};

static void wait_free(struct dns_update_wait *wait)
{
    if (wait->fd >= 0)
        close(wait->fd);
    keel_free(wait);
}

static void answer_datagram(struct dns_update_wait *wait, size_t size)
{
    ssize_t n;
    if (size == 0)
        return;
    do
        n = sendto(wait->fd, wait->serve->reply + LENGTH, size, MSG_DONTWAIT, &wait->peer.sa,
                   keel_addr_size(&wait->peer));
    while (n < 0 && errno == EINTR); /* what does not leave the client asks for again */
}

static void on_reply(struct dns_request *request, unsigned rcode, struct keel_message *message)
{
    struct dns_update_wait *wait = KEEL_CONTAINER(request, struct dns_update_wait, request);
    struct dns_serve *serve = wait->serve;
    struct dns_query *query = &wait->query;
    struct dns_tally tally = {{0}};
    serve->context.now = keel_clock_realtime() / KEEL_NS_PER_S;
    query->rcode = (uint16_t)rcode;
    query->updated = NULL;
    size_t size = dns_query_answer(query, &serve->context, serve->reply + LENGTH,
                                   wait->fd >= 0 ? serve->context.udp_size : UINT16_MAX);
    dns_tally_query(&tally, query, size);
    dns_tally_add(&tally, serve->metrics);
    if (wait->fd >= 0)
        answer_datagram(wait, size);
    else
        wait->on_answer(wait->arg, query, size);
    wait_free(wait);
}

static struct dns_update_wait *begin(struct dns_serve *serve, const struct dns_query *query, int fd)
{
    struct dns_update_wait *wait = keel_malloc(sizeof *wait + query->size);
    if (!wait)
        return NULL;
    wait->serve = serve;
    wait->fd = fd;
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
                         struct keel_dgram *d, const struct keel_datagram *datagram)
{
    int fd = fcntl(keel_dgram_fd(d), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return KEEL_ESYS;
    if (begin(serve, query, fd))
        return 0;
    close(fd);
    return KEEL_EBUSY;
}

struct dns_update_wait *
dns_updates_stream(struct dns_serve *serve, const struct dns_query *query,
                   void (*on_answer)(void *arg, const struct dns_query *query, size_t size),
                   void *arg)
{
    struct dns_update_wait *wait = begin(serve, query, -1);
    if (wait) {
        wait->on_answer = on_answer;
        wait->arg = arg;
    }
    return wait;
}

void dns_updates_forget(struct dns_update_wait *wait)
{
    if (!wait)
        return;
    dns_requests_cancel(&wait->serve->requests, &wait->request);
    wait_free(wait);
}
