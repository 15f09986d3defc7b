#include "dhcpd/serve/backlog.h"

#include "common/base/mem.h"
#include "dhcpd/serve/serve.h"

#define BACKLOG_MAX 512
#define MESSAGE_MAX 1500
/* Taken in one turn of the loop: as many as a batch has, or half of that while full batches come,
 * so that what waits in the socket is read faster than it comes; of clients that all are new, half
 * of the messages are DISCOVERs. */
#define TURN KEEL_DGRAM_BATCH
#define TURN_BUSY (TURN / 2)
/* Timers go before sockets: without a pause nothing would be read while somebody waits. */
#define PAUSE KEEL_NS_PER_MS

struct waiting {
    const struct keel_endpoint *endpoint;
    struct keel_datagram datagram;
    uint8_t bytes[MESSAGE_MAX];
};

struct dhcp_backlog {
    struct dhcp_serve *serve;
    struct keel_timer timer;
    unsigned first, count;
    bool busy;                         /* some came since the last turn */
    struct waiting items[BACKLOG_MAX]; /* a ring */
    struct waiting turn[TURN];         /* those being served */
};

/* As many of one port as stand together. */
static void take(struct dhcp_backlog *b, unsigned most)
{
    struct keel_datagram batch[TURN];
    unsigned n = 0;
    while (n < most && b->count > 0 &&
           (n == 0 || b->items[b->first].endpoint == b->turn[0].endpoint)) {
        b->turn[n] = b->items[b->first];
        batch[n] = b->turn[n].datagram;
        batch[n].bytes = b->turn[n].bytes;
        n++;
        b->first = (b->first + 1) % BACKLOG_MAX;
        b->count--;
    }
    if (n > 0)
        dhcp_serve_later(b->serve, b->turn[0].endpoint, batch, n);
}

void dhcp_backlog_turn(struct dhcp_backlog *b)
{
    take(b, TURN_BUSY);
}

static void on_timer(struct keel_timer *timer)
{
    struct dhcp_backlog *b = KEEL_CONTAINER(timer, struct dhcp_backlog, timer);
    take(b, b->busy ? TURN_BUSY : TURN);
    b->busy = false;
    if (b->count > 0)
        keel_timer_start(&b->timer, PAUSE, 0);
}

struct dhcp_backlog *dhcp_backlog_new(struct dhcp_serve *serve)
{
    struct dhcp_backlog *b = keel_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->serve = serve;
    keel_timer_init(&b->timer, serve->instance->loop, "dhcp-backlog", on_timer);
    return b;
}

void dhcp_backlog_free(struct dhcp_backlog *b)
{
    if (!b)
        return;
    keel_timer_stop(&b->timer);
    keel_free(b);
}

bool dhcp_backlog_add(struct dhcp_backlog *b, const struct keel_endpoint *endpoint,
                      const struct keel_datagram *datagram, bool *dropped)
{
    *dropped = false;
    b->busy = true;
    if (datagram->size > MESSAGE_MAX || datagram->truncated)
        return false;
    if (b->count == BACKLOG_MAX) {
        b->first = (b->first + 1) % BACKLOG_MAX;
        b->count--;
        *dropped = true;
    }
    struct waiting *w = &b->items[(b->first + b->count) % BACKLOG_MAX];
    w->endpoint = endpoint;
    w->datagram = *datagram;
    memcpy(w->bytes, datagram->bytes, datagram->size);
    if (b->count++ == 0)
        keel_timer_start(&b->timer, PAUSE, 0);
    return true;
}
