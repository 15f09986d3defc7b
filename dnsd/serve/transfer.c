#include "dnsd/serve/transfer.h"

#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/serve/messages.h"
#include "dnsd/transfer/ixfr.h"
#include "dnsd/wire/type.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH 2
/* What waits in memory for a client. Little enough that filling it keeps nobody else waiting. */
#define HIGH (128 * 1024)
#define LOW (32 * 1024)
/* What leaves in one callback, and for all transfers together in a turn of the loop: a client that
 * reads quickly would keep the worker for itself. */
#define PER_TURN (64 * 1024)
/* What a stream has otherwise. */
#define USUAL_HIGH (256 * 1024)
#define USUAL_LOW (64 * 1024)

struct transfer_out {
    struct dns_pending pending;
    struct dns_serve *serve;
    struct keel_loop *loop;
    struct keel_list turn; /* in dns_turns.waiting */
    uint64_t turn_ns;      /* the running callback, and what left in it */
    size_t sent;
    uint64_t began_ns; /* monotonic */
    bool whole;        /* the last message is queued */
    struct dns_version *version;
    struct dns_axfr axfr;
    /* An IXFR: the keeper is asked for the differences. When there are none it is the zone. */
    struct dns_request request;
    uint32_t serial;  /* what the client has */
    bool incremental; /* the differences are sent: */
    struct dns_ixfr ixfr;
    void *chain; /* mapped */
    size_t chain_size;
};

static void count_active(struct dns_serve *serve)
{
    keel_metric_set(serve->metrics, DNS_METRIC_TRANSFERS_ACTIVE, serve->transfers);
}

/* The loop has been round, and traffic had its turn: one of those that wait goes on. */
static void on_round(struct keel_io *io, short what)
{
    struct dns_turns *turns = KEEL_CONTAINER(io, struct dns_turns, io);
    if (!keel_list_empty(&turns->waiting)) {
        struct transfer_out *transfer =
            KEEL_CONTAINER(turns->waiting.next, struct transfer_out, turn);
        keel_list_remove(&transfer->turn);
        transfer->pending.on_turn(transfer->pending.stream);
    }
    if (keel_list_empty(&turns->waiting))
        keel_io_change(io, 0);
}

int dns_turns_init(struct dns_turns *turns, struct keel_loop *loop)
{
    keel_list_init(&turns->waiting);
    /* never read, so always ready: a timer that is due at once would come before traffic, always */
    turns->fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    if (turns->fd < 0)
        return KEEL_ESYS;
    int err =
        keel_io_start(&turns->io, loop, turns->fd, 0, KEEL_PRIORITY_TRAFFIC, "transfer", on_round);
    if (err)
        close(turns->fd);
    return err;
}

void dns_turns_fini(struct dns_turns *turns)
{
    keel_io_stop(&turns->io);
    close(turns->fd);
}

static int wait_turn(struct transfer_out *transfer)
{
    struct dns_turns *turns = &transfer->serve->turns;
    bool first = keel_list_empty(&turns->waiting);
    keel_list_remove(&transfer->turn);
    keel_list_push_back(&turns->waiting, &transfer->turn);
    return first && keel_io_change(&turns->io, KEEL_READ) ? KEEL_ESYS : KEEL_EAGAIN;
}

/* Differences in a descriptor of a reply; false: there is nothing that can be sent. */
static bool take_differences(struct transfer_out *transfer, struct keel_message *message)
{
    struct stat st;
    if (message->fd_count != 1 || fstat(message->fds[0], &st) != 0 || st.st_size <= 0)
        return false;
    void *chain = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, message->fds[0], 0);
    if (chain == MAP_FAILED)
        return false;
    if (dns_ixfr_instead(&transfer->ixfr, &transfer->axfr, transfer->serial, chain,
                         (size_t)st.st_size) != 0) {
        munmap(chain, (size_t)st.st_size);
        return false;
    }
    transfer->chain = chain;
    transfer->chain_size = (size_t)st.st_size;
    return true;
}

static void on_differences(struct dns_request *request, unsigned rcode,
                           struct keel_message *message)
{
    struct transfer_out *transfer = KEEL_CONTAINER(request, struct transfer_out, request);
    transfer->incremental = rcode == DNS_NOERROR && message && take_differences(transfer, message);
    transfer->pending.on_turn(transfer->pending.stream);
}

/* What a keeper that is not there does not know is no reason to say no. */
static void ask_differences(struct transfer_out *transfer, const struct dns_query *query)
{
    uint8_t serial[4];
    keel_put_u32(serial, query->serial);
    transfer->serial = query->serial;
    transfer->request.on_reply = on_differences;
    dns_requests_send(&transfer->serve->requests, &transfer->request, DNS_MSG_DIFFERENCES,
                      &query->zone->apex, query->peer, serial, sizeof serial);
}

static int run(struct dns_pending *pending, uint64_t now)
{
    struct transfer_out *transfer = KEEL_CONTAINER(pending, struct transfer_out, pending);
    uint8_t *message = transfer->serve->reply;
    size_t size;

    if (transfer->request.number != 0)
        return KEEL_EAGAIN; /* on_turn comes with the reply */
    if (transfer->version->revoked && !transfer->incremental)
        return KEEL_ECANCELED; /* slower than two changes of the zone */
    keel_stream_deadline(transfer->pending.stream, transfer->serve->transfer_timeout_ns);
    if (transfer->turn_ns != keel_loop_now(transfer->loop)) {
        transfer->turn_ns = keel_loop_now(transfer->loop);
        transfer->sent = 0;
    }
    for (;;) {
        if (transfer->sent >= PER_TURN)
            return wait_turn(transfer);
        int err = transfer->incremental
                      ? dns_ixfr_next(&transfer->ixfr, message + LENGTH, &size, now)
                      : dns_axfr_next(&transfer->axfr, message + LENGTH, &size, now);
        if (err == KEEL_EOF) {
            transfer->whole = true;
            return 0;
        }
        if (err == 0) {
            keel_put_u16(message, (uint16_t)size);
            transfer->sent += LENGTH + size;
            err = keel_stream_write(transfer->pending.stream, message, LENGTH + size);
        }
        if (err)
            return err;
    }
}

static void log_end(const struct transfer_out *transfer)
{
    const struct dns_axfr *axfr = &transfer->axfr;
    const struct dns_ixfr *ixfr = &transfer->ixfr;
    const bool steps = transfer->incremental;
    char peer[KEEL_ADDR_TEXT], zone[DNS_NAME_TEXT];
    uint64_t took = keel_loop_now(transfer->loop) - transfer->began_ns;

    keel_addr_format(peer, sizeof peer, &transfer->pending.stream->peer);
    dns_name_to_text(zone, dns_node_name(axfr->view.base, dns_image_apex(axfr->view.base)));
    keel_info("transfer", transfer->whole ? steps ? "differences sent" : "zone sent" : "broken off",
              "zone=%s serial=%u peer=%s messages=%llu records=%llu bytes=%llu ms=%llu", zone,
              steps ? ixfr->to : dns_view_newest(&axfr->view)->serial, peer,
              (unsigned long long)(steps ? ixfr->messages : axfr->messages),
              (unsigned long long)(steps ? ixfr->records : axfr->records),
              (unsigned long long)(steps ? ixfr->bytes : axfr->bytes),
              (unsigned long long)(took / KEEL_NS_PER_MS));
}

static void free_transfer(struct dns_pending *pending)
{
    struct transfer_out *transfer = KEEL_CONTAINER(pending, struct transfer_out, pending);
    struct dns_serve *serve = transfer->serve;

    keel_list_remove(&transfer->turn);
    dns_requests_cancel(&serve->requests, &transfer->request);
    serve->transfers--;
    count_active(serve);
    keel_metric_add(serve->metrics,
                    !transfer->whole        ? DNS_METRIC_TRANSFERS_BROKEN
                    : transfer->incremental ? DNS_METRIC_TRANSFERS_STEPS
                                            : DNS_METRIC_TRANSFERS_SENT,
                    1);
    log_end(transfer);
    keel_stream_watermarks(transfer->pending.stream, USUAL_HIGH, USUAL_LOW);
    if (transfer->incremental)
        dns_ixfr_fini(&transfer->ixfr);
    if (transfer->chain)
        munmap(transfer->chain, transfer->chain_size);
    dns_version_release(transfer->version);
    keel_free(transfer);
}

struct dns_pending *dns_transfer_new(struct dns_serve *serve, struct keel_stream *stream,
                                     const struct dns_query *query,
                                     void (*on_turn)(struct keel_stream *stream))
{
    char peer[KEEL_ADDR_TEXT];
    if (serve->transfers >= serve->most_transfers) {
        keel_addr_format(peer, sizeof peer, &stream->peer);
        keel_warning("transfer", "too many at a time", "peer=%s transfers-out=%u", peer,
                     serve->most_transfers);
        return NULL;
    }
    struct transfer_out *transfer = keel_malloc(sizeof *transfer);
    if (!transfer)
        return NULL;
    transfer->pending = (struct dns_pending){stream, run, free_transfer, on_turn};
    transfer->serve = serve;
    transfer->loop = stream->io.loop;
    transfer->began_ns = keel_loop_now(transfer->loop);
    transfer->whole = false;
    transfer->version = dns_version_hold(query->zone->version);
    transfer->turn_ns = 0;
    transfer->sent = 0;
    transfer->request.number = 0;
    transfer->incremental = false;
    transfer->chain = NULL;
    keel_list_init(&transfer->turn);
    dns_axfr_start(&transfer->axfr, query, serve->context.udp_size);
    if (query->message.qtype == DNS_TYPE_IXFR)
        ask_differences(transfer, query);
    serve->transfers++;
    count_active(serve);
    keel_stream_watermarks(stream, HIGH, LOW);
    return &transfer->pending;
}
