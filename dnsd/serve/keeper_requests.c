#include "common/base/mem.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"
#include "dnsd/serve/updater.h"
#include "dnsd/wire/message.h"

#include <sys/mman.h>
#include <sys/stat.h>

/* Requests that may wait until an older keeper has let go, and their bytes. */
#define QUEUE_MAX ((size_t)8 << 20)

struct queued {
    struct keel_list node;
    struct dns_keeper_request request;
    struct dns_name apex;
    size_t size;
    uint8_t bytes[];
};

/* Who carries out requests of a type. */
static const struct {
    bool owner; /* only the owner of the zones can */
    dns_keeper_handler run;
} handlers[DNS_MSG_REQUESTS_END - DNS_MSG_REQUESTS] = {
    [DNS_MSG_UPDATE - DNS_MSG_REQUESTS] = {true, dns_updater_run},
    [DNS_MSG_NOTIFY - DNS_MSG_REQUESTS] = {true, dns_keeper_hear_notify},
    [DNS_MSG_DIFFERENCES - DNS_MSG_REQUESTS] = {false, dns_keeper_differences},
};

void dns_keeper_reply(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                      unsigned rcode, const void *bytes, size_t size, const int *fds,
                      unsigned fd_count)
{
    keel_instance_send(keeper->instance, request->worker, DNS_MSG_REPLY, request->number, rcode,
                       bytes, size, fds, fd_count);
}

static void refuse(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                   unsigned rcode)
{
    dns_keeper_reply(keeper, request, rcode, NULL, 0, NULL, 0);
}

static void run(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                const struct dns_name *apex, const uint8_t *bytes, size_t size)
{
    struct keeper_zone *zone = dns_keeper_find(keeper, apex->bytes, apex->size);
    dns_keeper_handler handler = handlers[request->type - DNS_MSG_REQUESTS].run;
    if (!zone)
        refuse(keeper, request, DNS_NOTAUTH); /* it was removed while the worker asked */
    else if (!handler)
        refuse(keeper, request, DNS_NOTIMP);
    else
        handler(&zone->kept, request, bytes, size);
}

static void enqueue(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                    const struct dns_name *apex, const uint8_t *bytes, size_t size)
{
    struct queued *q =
        keeper->queue_bytes + size > QUEUE_MAX ? NULL : keel_malloc(sizeof *q + size);
    if (!q) {
        refuse(keeper, request, DNS_SERVFAIL);
        return;
    }
    q->request = *request;
    q->apex = *apex;
    q->size = size;
    memcpy(q->bytes, bytes, size);
    keeper->queue_bytes += sizeof *q + size;
    keel_list_push_back(&keeper->queue, &q->node);
}

void dns_keeper_run_queue(struct dns_keeper *keeper, bool refuse_all)
{
    keel_list_for_safe (node, &keeper->queue) {
        struct queued *q = KEEL_CONTAINER(node, struct queued, node);
        keel_list_remove(node);
        if (refuse_all)
            refuse(keeper, &q->request, DNS_SERVFAIL);
        else
            run(keeper, &q->request, &q->apex, q->bytes, q->size);
        keel_free(q);
    }
    keeper->queue_bytes = 0;
}

static void decide(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                   const struct dns_name *apex, const uint8_t *bytes, size_t size)
{
    if (!handlers[request->type - DNS_MSG_REQUESTS].owner)
        run(keeper, request, apex, bytes, size);
    else if (keeper->state == KEEPER_WAITING)
        enqueue(keeper, request, apex, bytes, size);
    else if (keeper->state == KEEPER_RETIRED)
        refuse(keeper, request, DNS_SERVFAIL);
    else
        run(keeper, request, apex, bytes, size);
}

void dns_keeper_request(struct dns_keeper *keeper, unsigned worker, struct keel_message *message)
{
    struct dns_msg_request head;
    struct dns_name apex;
    struct stat st;
    if (message->size < sizeof head)
        return;
    memcpy(&head, message->bytes, sizeof head);
    size_t at = sizeof head + head.apex_size;
    const struct dns_keeper_request request = {
        .worker = worker, .type = message->type, .number = message->a, .peer = head.peer};
    const uint8_t *flat = message->bytes + sizeof head;
    if (message->size < at || dns_name_scan(flat, head.apex_size) != head.apex_size)
        return;
    dns_name_set(&apex, flat);
    if (!head.in_memory) {
        decide(keeper, &request, &apex, message->bytes + at, message->size - at);
        return;
    }
    void *map = MAP_FAILED;
    if (message->fd_count == 1 && fstat(message->fds[0], &st) == 0 && st.st_size > 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, message->fds[0], 0);
    if (map == MAP_FAILED) {
        refuse(keeper, &request, DNS_SERVFAIL);
        return;
    }
    decide(keeper, &request, &apex, map, (size_t)st.st_size);
    munmap(map, (size_t)st.st_size);
}
