#include "dnsd/serve/requests.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/runtime/file.h"
#include "dnsd/wire/message.h"

#include <string.h>
#include <unistd.h>

#define KEEPER 0 /* the helper's number */
/* How long a request is held: a client that gets no answer asks again, usually after 3 s or more.
 */
#define HOLD (2 * KEEL_NS_PER_S)

/* One that is held: the message, and who waits for the reply. */
struct held {
    struct keel_list node;
    uint64_t since_ns;
    uint32_t type, number; /* number 0: nobody waits */
    size_t head_size, size;
    _Alignas(8) uint8_t bytes[];
};

static uint64_t number_hash(const struct dns_requests *r, uint32_t number)
{
    return keel_hash(&r->key, &number, sizeof number);
}

static int number_equal(const void *value, const void *key, size_t key_size)
{
    return ((const struct dns_request *)value)->number == *(const uint32_t *)key;
}

static struct dns_request *find(const struct dns_requests *r, uint32_t number)
{
    return keel_table_find(&r->waiting, number_hash(r, number), &number, sizeof number,
                           number_equal);
}

static void fail(struct dns_requests *requests, struct dns_request *request)
{
    dns_requests_cancel(requests, request);
    request->on_reply(request, DNS_SERVFAIL, NULL);
}

/* Nobody will carry it out. */
static void drop_held(struct dns_requests *requests, struct held *h)
{
    struct dns_request *request = h->number ? find(requests, h->number) : NULL;
    keel_list_remove(&h->node);
    requests->held_bytes -= sizeof *h + h->head_size + h->size;
    keel_free(h);
    if (request)
        fail(requests, request);
}

static void on_give_up(struct keel_timer *timer)
{
    struct dns_requests *requests = KEEL_CONTAINER(timer, struct dns_requests, give_up);
    uint64_t now = keel_loop_now(requests->instance->loop);
    while (!keel_list_empty(&requests->held)) {
        struct held *h = KEEL_CONTAINER(requests->held.next, struct held, node);
        uint64_t held = now - h->since_ns;
        if (held < HOLD && keel_timer_start(timer, HOLD - held, 0) == 0)
            return;
        drop_held(requests, h);
    }
}

void dns_requests_init(struct dns_requests *requests, struct keel_instance *instance)
{
    *requests = (struct dns_requests){.instance = instance};
    requests->key = (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()};
    /* a reply to the worker that had our place before is none to us */
    requests->next = (uint32_t)keel_rand_u64();
    keel_table_init(&requests->waiting);
    keel_list_init(&requests->held);
    keel_timer_init(&requests->give_up, instance->loop, "hold requests", on_give_up);
}

void dns_requests_fini(struct dns_requests *requests)
{
    keel_timer_stop(&requests->give_up);
    keel_list_for_safe (node, &requests->held)
        drop_held(requests, KEEL_CONTAINER(node, struct held, node));
    dns_requests_down(requests);
    keel_table_fini(&requests->waiting);
}

unsigned dns_requests_waiting(const struct dns_requests *requests)
{
    return (unsigned)requests->waiting.count;
}

static int send_in_memory(struct dns_requests *r, uint32_t type, uint32_t number,
                          const struct dns_msg_request *head, size_t head_size, const void *bytes,
                          size_t size)
{
    _Alignas(8) uint8_t space[sizeof *head + DNS_NAME_MAX];
    int fd = keel_file_in_memory("keel-request", bytes, size);
    if (fd < 0)
        return KEEL_ENOMEM;
    memcpy(space, head, head_size);
    ((struct dns_msg_request *)space)->in_memory = 1;
    int err = keel_instance_send(r->instance, KEEPER, type, number, 0, space, head_size, &fd, 1);
    close(fd);
    return err;
}

/* head_size bytes of head, the apex included, and what belongs to it. As keel_instance_send. */
static int transmit(struct dns_requests *r, uint32_t type, uint32_t number,
                    const struct dns_msg_request *head, size_t head_size, const void *bytes,
                    size_t size)
{
    _Alignas(8) uint8_t space[KEEL_MESSAGE_MAX];
    if (head_size + size > sizeof space)
        return send_in_memory(r, type, number, head, head_size, bytes, size);
    memcpy(space, head, head_size);
    memcpy(space + head_size, bytes, size);
    return keel_instance_send(r->instance, KEEPER, type, number, 0, space, head_size + size, NULL,
                              0);
}

static int hold(struct dns_requests *r, uint32_t type, uint32_t number,
                const struct dns_msg_request *head, size_t head_size, const void *bytes,
                size_t size)
{
    size_t all = sizeof(struct held) + head_size + size;
    if (r->held_bytes + all > DNS_REQUESTS_HELD_BYTES)
        return KEEL_ELIMIT;
    struct held *h = keel_malloc(all);
    if (!h)
        return KEEL_ENOMEM;
    if (keel_list_empty(&r->held) && keel_timer_start(&r->give_up, HOLD, 0) != 0) {
        keel_free(h);
        return KEEL_ENOMEM;
    }
    *h = (struct held){.since_ns = keel_loop_now(r->instance->loop),
                       .type = type,
                       .number = number,
                       .head_size = head_size,
                       .size = size};
    memcpy(h->bytes, head, head_size);
    memcpy(h->bytes + head_size, bytes, size);
    keel_list_push_back(&r->held, &h->node);
    r->held_bytes += all;
    return 0;
}

/* Sends, or holds. */
static int dispatch(struct dns_requests *requests, struct dns_request *request, uint32_t type,
                    const struct dns_msg_request *head, size_t head_size, const void *bytes,
                    size_t size)
{
    uint32_t number = request ? request->number : 0;
    int err = transmit(requests, type, number, head, head_size, bytes, size);
    if (err == KEEL_EOF) {
        err = hold(requests, type, number, head, head_size, bytes, size);
        if (request)
            request->held = err == 0;
    }
    return err;
}

int dns_requests_send(struct dns_requests *requests, struct dns_request *request, uint32_t type,
                      const struct dns_name *apex, const struct keel_addr *peer, const void *bytes,
                      size_t size)
{
    _Alignas(8) uint8_t space[sizeof(struct dns_msg_request) + DNS_NAME_MAX];
    struct dns_msg_request *head = (struct dns_msg_request *)space;
    size_t head_size = sizeof *head + apex->size;
    memset(head, 0, sizeof *head);
    head->peer = *peer;
    head->apex_size = (uint8_t)apex->size;
    memcpy(space + sizeof *head, apex->bytes, apex->size);
    if (!request)
        return dispatch(requests, NULL, type, head, head_size, bytes, size);
    request->number = 0;
    request->held = false;
    if (requests->waiting.count >= DNS_REQUESTS_MAX)
        return KEEL_ELIMIT;
    do
        request->number = ++requests->next;
    while (request->number == 0);
    int err = keel_table_add(&requests->waiting, number_hash(requests, request->number), request);
    if (err) {
        request->number = 0;
        return err;
    }
    err = dispatch(requests, request, type, head, head_size, bytes, size);
    if (err)
        dns_requests_cancel(requests, request);
    return err;
}

void dns_requests_cancel(struct dns_requests *requests, struct dns_request *request)
{
    if (request->number != 0)
        keel_table_remove(&requests->waiting, number_hash(requests, request->number), request);
    request->number = 0;
}

void dns_requests_message(struct dns_requests *requests, struct keel_message *message)
{
    struct dns_request *request = find(requests, message->a);
    if (!request)
        return;
    dns_requests_cancel(requests, request);
    request->on_reply(request, message->b, message);
}

void dns_requests_down(struct dns_requests *requests)
{
    size_t cursor = 0;
    struct dns_request *request;
    while ((request = keel_table_next(&requests->waiting, &cursor))) {
        if (request->held)
            continue;
        fail(requests, request);
        cursor = 0; /* the table has changed */
    }
}

void dns_requests_up(struct dns_requests *requests)
{
    keel_timer_stop(&requests->give_up);
    keel_list_for_safe (node, &requests->held) {
        struct held *h = KEEL_CONTAINER(node, struct held, node);
        struct dns_request *request = h->number ? find(requests, h->number) : NULL;
        const struct dns_msg_request *head = (const struct dns_msg_request *)h->bytes;
        /* also when the client is gone: the update of one that did not wait happens as well */
        int err = transmit(requests, h->type, h->number, head, h->head_size,
                           h->bytes + h->head_size, h->size);
        if (request && err == 0) {
            request->held = false;
            h->number = 0; /* the reply is the keeper's */
        }
        drop_held(requests, h);
    }
}
