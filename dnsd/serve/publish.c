#include "dnsd/serve/publish.h"

#include "common/base/mem.h"
#include "common/runtime/file.h"
#include "common/service/log.h"
#include "dnsd/serve/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* After memory was out for a message, everything is told once more. */
#define RETRY (500 * KEEL_NS_PER_MS)

struct peer {
    bool up;
    bool behind;        /* something could not be sent: it gets everything anew */
    uint32_t next_file; /* files below it were told */
    bool fresh;         /* it has confirmed nothing yet */
    uint32_t confirmed;
};

struct dns_publisher {
    struct keel_instance *instance;
    void (*on_confirmed)(void *arg, uint32_t number);
    void (*on_new)(void *arg, unsigned worker); /* may be NULL */
    void *arg;
    bool open;
    bool complete;          /* all workers had confirmed once */
    struct keel_list files; /* in the order of their numbers */
    uint32_t next_file;
    struct keel_list zones, dirty;
    struct keel_buf forgotten; /* u32 numbers of files */
    struct keel_task flush;
    struct keel_timer retry;
    uint32_t number; /* of the last publication */
    uint32_t confirmed;
    unsigned peer_count;
    struct peer *peers;
};

/* --- files --- */

static struct dns_shared *add_file(struct dns_publisher *p, int fd, const uint8_t *map, size_t size)
{
    struct dns_shared *file = keel_calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->number = p->next_file++;
    file->refs = 1;
    file->fd = fd;
    file->map = map;
    file->size = size;
    keel_list_push_back(&p->files, &file->node);
    return file;
}

struct dns_shared *dns_shared_new(struct dns_publisher *publisher, size_t size, uint8_t **bytes)
{
    int fd = memfd_create("keel-zones", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *map = MAP_FAILED;
    struct dns_shared *file = NULL;
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        file = add_file(publisher, fd, map, size);
    if (file) {
        *bytes = map;
        return file;
    }
    if (map != MAP_FAILED)
        munmap(map, size);
    if (fd >= 0)
        close(fd);
    return NULL;
}

int dns_shared_seal(struct dns_shared *file)
{
    munmap((void *)file->map, file->size); /* a seal wants that nobody can write */
    file->map = NULL;
    if (fcntl(file->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return KEEL_ESYS;
    /* private: what is sealed may not be mapped in a way that could become writable */
    void *map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, file->fd, 0);
    file->map = map == MAP_FAILED ? NULL : map;
    return file->map ? 0 : KEEL_ESYS;
}

struct dns_shared *dns_shared_borrow(struct dns_publisher *publisher, int fd, const uint8_t *map,
                                     size_t size, void *owner, void (*release)(void *owner))
{
    struct dns_shared *file = add_file(publisher, fd, map, size);
    if (file) {
        file->owner = owner;
        file->release = release;
    }
    return file;
}

void dns_shared_release(struct dns_publisher *publisher, struct dns_shared *file)
{
    if (!file || --file->refs > 0)
        return;
    keel_buf_append(&publisher->forgotten, &file->number, sizeof file->number);
    keel_task_start(publisher->instance->loop, &publisher->flush);
    if (file->owner) {
        file->release(file->owner);
    } else {
        if (file->map)
            munmap((void *)file->map, file->size);
        close(file->fd);
    }
    keel_list_remove(&file->node);
    keel_free(file);
}

/* --- messages --- */

static int send_to(struct dns_publisher *p, unsigned worker, uint32_t type, uint32_t a, uint32_t b,
                   const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    int err = keel_instance_send(p->instance, worker, type, a, b, bytes, size, fds, fd_count);
    if (err == KEEL_ENOMEM) {
        p->peers[worker].behind = true;
        keel_timer_start(&p->retry, RETRY, 0);
    }
    return err;
}

/* Those that it has not been told of yet. */
static void send_files(struct dns_publisher *p, unsigned worker)
{
    struct peer *peer = &p->peers[worker];
    struct dns_msg_file rows[KEEL_MESSAGE_FDS];
    int fds[KEEL_MESSAGE_FDS];
    unsigned n = 0;
    struct keel_list *node = p->files.prev;
    /* new ones are at the end */
    while (node != &p->files &&
           KEEL_CONTAINER(node, struct dns_shared, node)->number >= peer->next_file)
        node = node->prev;
    for (node = node->next; node != &p->files; node = node->next) {
        const struct dns_shared *file = KEEL_CONTAINER(node, struct dns_shared, node);
        uint64_t reserve = file->reserve > file->size ? file->reserve : file->size;
        uint32_t flags = file->deltas ? DNS_MSG_FILE_DELTAS : 0;
        rows[n] = (struct dns_msg_file){file->number, flags, file->size, reserve};
        fds[n++] = file->fd;
        if (n == KEEL_MESSAGE_FDS) {
            send_to(p, worker, DNS_MSG_FILES, 0, 0, rows, n * sizeof rows[0], fds, n);
            n = 0;
        }
    }
    if (n > 0)
        send_to(p, worker, DNS_MSG_FILES, 0, 0, rows, n * sizeof rows[0], fds, n);
    peer->next_file = p->next_file;
}

static void put_zone(struct keel_buf *out, const struct dns_published *zone)
{
    size_t size = (sizeof(struct dns_msg_zone) + zone->apex->size + 7u) & ~(size_t)7;
    struct dns_msg_zone *entry = (struct dns_msg_zone *)keel_buf_reserve(out, size);
    if (!entry)
        return;
    memset(entry, 0, size);
    entry->size = (uint16_t)size;
    entry->flags = (uint16_t)((zone->file ? 0 : DNS_MSG_ZONE_GONE) |
                              (zone->expired ? DNS_MSG_ZONE_EXPIRED : 0));
    entry->file = zone->file ? zone->file->number : DNS_MSG_NO_FILE;
    entry->offset = zone->offset;
    entry->delta_file = zone->delta_file ? zone->delta_file->number : DNS_MSG_NO_FILE;
    entry->delta_origin = zone->delta_origin;
    entry->delta_offset = zone->delta_offset;
    entry->delta_size = zone->delta_size;
    entry->apex_size = (uint8_t)zone->apex->size;
    memcpy(entry->apex, zone->apex->bytes, zone->apex->size);
    keel_buf_commit(out, size);
}

/* A list of zones, ready to be sent to any number of workers. */
struct catalogue {
    struct keel_buf bytes;
    int fd; /* what is too long for a message; -1: it is not */
    int err;
};

static void catalogue_end(struct catalogue *c)
{
    c->fd = -1;
    c->err = c->bytes.failed;
    if (c->err == 0 && keel_buf_size(&c->bytes) > KEEL_MESSAGE_MAX) {
        c->fd = keel_file_in_memory("keel-catalogue", keel_buf_bytes(&c->bytes),
                                    keel_buf_size(&c->bytes));
        c->err = c->fd < 0 ? KEEL_ENOMEM : 0;
    }
}

static void catalogue_send(struct dns_publisher *p, unsigned worker, const struct catalogue *c)
{
    if (c->err) {
        p->peers[worker].behind = true;
        keel_timer_start(&p->retry, RETRY, 0);
    } else if (c->fd >= 0) {
        send_to(p, worker, DNS_MSG_ZONES, 1, 0, NULL, 0, &c->fd, 1);
    } else if (keel_buf_size(&c->bytes) > 0) {
        send_to(p, worker, DNS_MSG_ZONES, 0, 0, keel_buf_bytes(&c->bytes), keel_buf_size(&c->bytes),
                NULL, 0);
    }
}

static void catalogue_fini(struct catalogue *c)
{
    if (c->fd >= 0)
        close(c->fd);
    keel_buf_fini(&c->bytes);
}

/* Everything, to those that have nothing (or not all). */
static void send_all(struct dns_publisher *p)
{
    struct catalogue all = {.fd = -1};
    bool made = false;
    for (unsigned i = 0; i < p->peer_count; i++) {
        if (!p->peers[i].up || !p->peers[i].behind)
            continue;
        if (!made) {
            keel_list_for (node, &p->zones)
                put_zone(&all.bytes, KEEL_CONTAINER(node, struct dns_published, node));
            catalogue_end(&all);
            made = true;
        }
        p->peers[i].behind = false;
        p->peers[i].next_file = 0;
        if (p->on_new)
            p->on_new(p->arg, i);
        send_files(p, i);
        catalogue_send(p, i, &all);
        send_to(p, i, DNS_MSG_PUBLISHED, p->number, 1, NULL, 0, NULL, 0);
    }
    catalogue_fini(&all);
}

/* --- publications --- */

static void send_changes(struct dns_publisher *p)
{
    struct catalogue changes = {.fd = -1};
    keel_list_for_safe (node, &p->dirty) {
        struct dns_published *zone = KEEL_CONTAINER(node, struct dns_published, dirty);
        put_zone(&changes.bytes, zone);
        keel_list_remove(node);
    }
    catalogue_end(&changes);
    p->number++;
    for (unsigned i = 0; i < p->peer_count; i++) {
        if (!p->peers[i].up || p->peers[i].behind)
            continue;
        send_files(p, i);
        catalogue_send(p, i, &changes);
        send_to(p, i, DNS_MSG_PUBLISHED, p->number, 0, NULL, 0, NULL, 0);
    }
    catalogue_fini(&changes);
}

/* Comes behind the zones that were in these files. */
static void send_forgotten(struct dns_publisher *p)
{
    const uint8_t *bytes = keel_buf_bytes(&p->forgotten);
    size_t size = keel_buf_size(&p->forgotten);
    for (size_t at = 0; at < size; at += KEEL_MESSAGE_MAX) {
        size_t n = size - at < KEEL_MESSAGE_MAX ? size - at : KEEL_MESSAGE_MAX;
        for (unsigned i = 0; i < p->peer_count; i++)
            if (p->peers[i].up)
                send_to(p, i, DNS_MSG_FORGET, 0, 0, bytes + at, n, NULL, 0);
    }
    keel_buf_clear(&p->forgotten);
}

/* At the start no worker is there: that does not mean that all have confirmed. */
static bool is_complete(const struct dns_publisher *p)
{
    for (unsigned i = 0; i < p->peer_count; i++)
        if (!p->peers[i].up || p->peers[i].fresh)
            return false;
    return true;
}

static void look_at_confirmations(struct dns_publisher *p)
{
    uint32_t least = p->number;
    if (!p->complete && !is_complete(p))
        return;
    for (unsigned i = 0; i < p->peer_count; i++)
        if (p->peers[i].up && (int32_t)(p->peers[i].confirmed - least) < 0)
            least = p->peers[i].confirmed;
    if (p->complete && (int32_t)(least - p->confirmed) <= 0)
        return;
    p->complete = true;
    p->confirmed = least;
    p->on_confirmed(p->arg, least);
}

uint32_t dns_publisher_flush(struct dns_publisher *publisher)
{
    if (!publisher->open)
        return publisher->number;
    if (!keel_list_empty(&publisher->dirty))
        send_changes(publisher);
    send_all(publisher);
    send_forgotten(publisher);
    return publisher->number;
}

static void on_flush(struct keel_task *task)
{
    struct dns_publisher *p = KEEL_CONTAINER(task, struct dns_publisher, flush);
    dns_publisher_flush(p);
    look_at_confirmations(p);
}

static void on_retry(struct keel_timer *timer)
{
    struct dns_publisher *p = KEEL_CONTAINER(timer, struct dns_publisher, retry);
    keel_task_start(p->instance->loop, &p->flush);
}

void dns_publisher_open(struct dns_publisher *publisher)
{
    publisher->open = true;
    dns_publisher_flush(publisher);
}

uint32_t dns_publisher_confirmed(const struct dns_publisher *publisher)
{
    return publisher->confirmed;
}

uint32_t dns_publisher_next(const struct dns_publisher *publisher)
{
    return publisher->number + 1;
}

bool dns_publisher_is_complete(const struct dns_publisher *publisher)
{
    return publisher->complete;
}

bool dns_publisher_has(const struct dns_publisher *publisher, unsigned worker)
{
    return worker < publisher->peer_count && publisher->peers[worker].up;
}

/* --- zones --- */

void dns_publisher_add(struct dns_publisher *publisher, struct dns_published *zone)
{
    keel_list_push_back(&publisher->zones, &zone->node);
    keel_list_init(&zone->dirty);
}

void dns_publisher_remove(struct dns_publisher *publisher, struct dns_published *zone)
{
    keel_list_remove(&zone->node);
    keel_list_remove(&zone->dirty);
}

void dns_publisher_touch(struct dns_publisher *publisher, struct dns_published *zone)
{
    keel_list_remove(&zone->dirty);
    keel_list_push_back(&publisher->dirty, &zone->dirty);
    keel_task_start(publisher->instance->loop, &publisher->flush);
}

/* --- workers --- */

void dns_publisher_peer(struct dns_publisher *publisher, unsigned worker, bool up)
{
    if (worker >= publisher->peer_count)
        return;
    publisher->peers[worker] = (struct peer){.up = up, .behind = up, .fresh = true};
    publisher->peers[worker].confirmed = publisher->confirmed;
    keel_task_start(publisher->instance->loop, &publisher->flush);
}

void dns_publisher_confirm(struct dns_publisher *publisher, unsigned worker, uint32_t number)
{
    if (worker >= publisher->peer_count)
        return;
    publisher->peers[worker].confirmed = number;
    publisher->peers[worker].fresh = false;
    look_at_confirmations(publisher);
}

void dns_publisher_on_new(struct dns_publisher *publisher,
                          void (*on_new)(void *arg, unsigned worker))
{
    publisher->on_new = on_new;
}

void dns_publisher_say(struct dns_publisher *publisher, uint32_t type, const void *bytes,
                       size_t size)
{
    for (unsigned i = 0; i < publisher->peer_count; i++)
        if (publisher->peers[i].up && !publisher->peers[i].behind)
            send_to(publisher, i, type, 0, 0, bytes, size, NULL, 0);
}

struct dns_publisher *dns_publisher_new(struct keel_instance *instance,
                                        void (*on_confirmed)(void *arg, uint32_t number), void *arg)
{
    struct dns_publisher *p = keel_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->instance = instance;
    p->on_confirmed = on_confirmed;
    p->arg = arg;
    keel_list_init(&p->files);
    keel_list_init(&p->zones);
    keel_list_init(&p->dirty);
    keel_task_init(&p->flush, on_flush);
    keel_timer_init(&p->retry, instance->loop, "publish", on_retry);
    p->peer_count = instance->workers;
    p->peers = keel_calloc(p->peer_count + 1, sizeof *p->peers);
    if (p->peers)
        return p;
    keel_free(p);
    return NULL;
}

void dns_publisher_free(struct dns_publisher *publisher)
{
    if (!publisher)
        return;
    keel_list_for_safe (node, &publisher->files) {
        struct dns_shared *file = KEEL_CONTAINER(node, struct dns_shared, node);
        file->refs = 1;
        dns_shared_release(publisher, file);
    }
    keel_task_stop(&publisher->flush);
    keel_timer_stop(&publisher->retry);
    keel_buf_fini(&publisher->forgotten);
    keel_free(publisher->peers);
    keel_free(publisher);
}
