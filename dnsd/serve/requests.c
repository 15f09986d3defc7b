#include "dnsd/serve/requests.h"

#include "common/base/rand.h"
#include "dnsd/wire/message.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEEPER 0 /* the helper's number */

static uint64_t number_hash(const struct dns_requests *r, uint32_t number)
{
    return keel_hash(&r->key, &number, sizeof number);
}

static int number_equal(const void *value, const void *key, size_t key_size)
{
    return ((const struct dns_request *)value)->number == *(const uint32_t *)key;
}

void dns_requests_init(struct dns_requests *requests, struct keel_instance *instance)
{
    *requests = (struct dns_requests){.instance = instance};
    requests->key = (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()};
    keel_table_init(&requests->waiting);
}

void dns_requests_fini(struct dns_requests *requests)
{
    dns_requests_fail(requests);
    keel_table_fini(&requests->waiting);
}

unsigned dns_requests_waiting(const struct dns_requests *requests)
{
    return (unsigned)requests->waiting.count;
}

static int send_in_memory(struct dns_requests *r, uint32_t type, uint32_t number, uint8_t *head,
                          size_t head_size, const void *bytes, size_t size)
{
    int fd = memfd_create("keel-request", MFD_CLOEXEC);
    int err = fd < 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size ? KEEL_ENOMEM : 0;
    ((struct dns_msg_request *)head)->in_memory = 1;
    if (!err)
        err = keel_instance_send(r->instance, KEEPER, type, number, 0, head, head_size, &fd, 1);
    if (fd >= 0)
        close(fd);
    return err;
}

int dns_requests_send(struct dns_requests *requests, struct dns_request *request, uint32_t type,
                      const struct dns_name *apex, const struct keel_addr *peer, const void *bytes,
                      size_t size)
{
    _Alignas(8) uint8_t space[KEEL_MESSAGE_MAX];
    struct dns_msg_request *head = (struct dns_msg_request *)space;
    size_t head_size = sizeof *head + apex->size;
    if (requests->waiting.count >= DNS_REQUESTS_MAX)
        return KEEL_ELIMIT;
    memset(head, 0, sizeof *head);
    head->peer = *peer;
    head->apex_size = (uint8_t)apex->size;
    memcpy(space + sizeof *head, apex->bytes, apex->size);
    do
        request->number = ++requests->next;
    while (request->number == 0);
    int err = keel_table_add(&requests->waiting, number_hash(requests, request->number), request);
    if (err) {
        request->number = 0;
        return err;
    }
    if (head_size + size > sizeof space) {
        err = send_in_memory(requests, type, request->number, space, head_size, bytes, size);
    } else {
        memcpy(space + head_size, bytes, size);
        err = keel_instance_send(requests->instance, KEEPER, type, request->number, 0, space,
                                 head_size + size, NULL, 0);
    }
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
    struct dns_request *request =
        keel_table_find(&requests->waiting, number_hash(requests, message->a), &message->a,
                        sizeof message->a, number_equal);
    if (!request)
        return;
    dns_requests_cancel(requests, request);
    request->on_reply(request, message->b, message);
}

void dns_requests_fail(struct dns_requests *requests)
{
    size_t cursor = 0;
    struct dns_request *request;
    while ((request = keel_table_next(&requests->waiting, &cursor))) {
        dns_requests_cancel(requests, request);
        request->on_reply(request, DNS_SERVFAIL, NULL);
        cursor = 0; /* the table has changed */
    }
}
