#include "dnsd/serve/notifier.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/runtime/file.h"
#include "common/runtime/sock.h"
#include "common/service/log.h"
#include "dnsd/serve/metrics.h"
#include "dnsd/transfer/notify.h"
#include "dnsd/wire/rcode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Bounds on what is sent: 64 messages, then others have their turn. */
#define BURST 64
#define BURST_EVERY (20 * KEEL_NS_PER_MS)
#define SAVE_AFTER KEEL_NS_PER_S
#define SAVE_AGAIN (10 * KEEL_NS_PER_S) /* after it could not be written */
#define PATH_SIZE 4096
#define STATE_MAX (64u << 20)

enum family { V4, V6, FAMILIES };

struct dns_notifying {
    struct keel_instance *instance;
    struct dns_notifier notifier;
    struct keel_timer timer;
    bool began;       /* all workers serve: whoever is told finds what is new */
    uint64_t save_ns; /* when the file is to be written; 0: nothing new */
    int fds[FAMILIES];
    struct keel_dgram *sockets[FAMILIES];
};

static void path_of(const struct dns_notifying *n, const char *name, char *out)
{
    snprintf(out, PATH_SIZE, "%s/%s", n->instance->state_dir, name);
}

static uint64_t seconds(const struct dns_notifying *n)
{
    return keel_loop_realtime(n->instance->loop) / KEEL_NS_PER_S;
}

/* --- the file --- */

static void load(struct dns_notifying *n)
{
    char path[PATH_SIZE];
    struct keel_buf text;
    ssize_t got = 1;

    path_of(n, "notified", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* nobody was told of anything yet */
    keel_buf_init(&text, STATE_MAX);
    while (got > 0) {
        uint8_t *room = keel_buf_reserve(&text, 65536);
        got = room ? read(fd, room, 65536) : -1;
        if (got > 0)
            keel_buf_commit(&text, (size_t)got);
    }
    close(fd);
    if (got == 0)
        dns_notifier_load(&n->notifier, (struct keel_str){(const char *)keel_buf_bytes(&text),
                                                          keel_buf_size(&text)});
    keel_buf_fini(&text);
}

/* Not synced: what is lost by a crash of the machine is told once more. */
static void save(struct dns_notifying *n)
{
    char path[PATH_SIZE];
    struct keel_buf text;

    n->save_ns = 0;
    if (!n->notifier.changed)
        return;
    keel_buf_init(&text, STATE_MAX);
    path_of(n, "notified", path);
    int err = dns_notifier_save(&n->notifier, &text);
    if (err == 0)
        err = keel_file_replace(path, keel_buf_bytes(&text), keel_buf_size(&text), 0640, false);
    if (err) {
        keel_warning("notify", "cannot write what was told", "file=%s error=%s", path,
                     err == KEEL_ESYS ? strerror(errno) : keel_strerror(err));
        n->notifier.changed = true;
        n->save_ns = keel_loop_now(n->instance->loop) + SAVE_AGAIN;
    }
    keel_buf_fini(&text);
}

/* --- sockets --- */

static void report(struct dns_notifying *n, const struct dns_notice *notice, unsigned metric,
                   const char *reason)
{
    char zone[DNS_NAME_TEXT], peer[KEEL_ADDR_TEXT];
    keel_metric_add(&n->instance->metrics, metric, 1);
    dns_name_to_text(zone, notice->target.zone->apex.bytes);
    keel_addr_format(peer, sizeof peer, &notice->target.addr);
    if (reason)
        keel_warning("notify", "not accepted", "zone=%s serial=%u server=%s reason=%s", zone,
                     notice->sent, peer, reason);
    else
        keel_info("notify", "acknowledged", "zone=%s serial=%u server=%s tries=%u", zone,
                  notice->sent, peer, notice->tries);
}

static void plan(struct dns_notifying *n);

static void on_batch(struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    struct dns_notifying *n = keel_dgram_arg(d);
    const struct dns_notice *notice;
    char text[DNS_RCODE_TEXT];
    unsigned rcode;

    for (unsigned i = 0; i < count; i++) {
        switch (dns_notifier_answer(&n->notifier, &batch[i].peer, batch[i].bytes,
                                    batch[i].truncated ? 0 : batch[i].size, seconds(n), &notice,
                                    &rcode)) {
        case DNS_NOTIFY_HEARD:
            report(n, notice, DNS_METRIC_NOTIFY_ACKNOWLEDGED, NULL);
            break;
        case DNS_NOTIFY_REJECTED:
            report(n, notice, DNS_METRIC_NOTIFY_REJECTED, dns_rcode_format(text, rcode));
            break;
        case DNS_NOTIFY_STRANGE:
            break;
        }
    }
    if (n->notifier.changed && n->save_ns == 0)
        n->save_ns = keel_loop_now(n->instance->loop) + SAVE_AFTER;
    plan(n);
}

/* The socket for a family, opened when it is first needed; NULL: it cannot be. */
static struct keel_dgram *socket_for(struct dns_notifying *n, const struct keel_addr *target)
{
    const enum family family = keel_addr_family(target) == AF_INET6 ? V6 : V4;
    static const struct keel_dgram_options options = {.receive_size = 4096,
                                                      .send_size = DNS_NOTIFY_SIZE};
    struct keel_sock_options how = {.v6_only = true};
    struct keel_addr any;
    struct keel_diag diag = {""};

    if (n->sockets[family])
        return n->sockets[family];
    keel_addr_any(&any, family == V6 ? AF_INET6 : AF_INET, 0);
    int fd = keel_sock_udp(&any, &how, &diag);
    if (fd >= 0)
        n->sockets[family] = keel_dgram_new(n->instance->loop, fd, &options, on_batch, n);
    if (!n->sockets[family]) {
        keel_warning("notify", "cannot open a socket", "reason=%s", diag.text);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    n->fds[family] = fd;
    return n->sockets[family];
}

static void send_message(struct dns_notifying *n, const struct dns_notice *notice,
                         const uint8_t *bytes, size_t size)
{
    struct keel_dgram *d = socket_for(n, &notice->target.addr);
    const struct keel_datagram to = {.peer = notice->target.addr};
    if (!d || size == 0)
        return; /* it is tried again */
    keel_dgram_send(d, &to, bytes, size);
    keel_metric_add(&n->instance->metrics, DNS_METRIC_NOTIFY_SENT, 1);
}

/* --- time --- */

/* Sets the timer for what comes next. */
static void plan(struct dns_notifying *n)
{
    uint64_t now = keel_loop_now(n->instance->loop), due = dns_notifier_due(&n->notifier);
    if (!n->began)
        return;
    if (n->save_ns && n->save_ns < due)
        due = n->save_ns;
    if (due == UINT64_MAX)
        keel_timer_stop(&n->timer);
    else
        keel_timer_start(&n->timer, due > now + BURST_EVERY ? due - now : BURST_EVERY, 0);
}

static void send_due(struct dns_notifying *n)
{
    uint64_t now = keel_loop_now(n->instance->loop);
    const struct dns_notice *notice;
    uint8_t message[DNS_NOTIFY_SIZE];
    size_t size;

    for (unsigned i = 0; i < BURST; i++) {
        uint16_t id = (uint16_t)keel_rand_u64();
        switch (dns_notifier_next(&n->notifier, now, seconds(n), id, message, &size, &notice)) {
        case DNS_NOTIFY_SEND:
            send_message(n, notice, message, size);
            break;
        case DNS_NOTIFY_GIVE_UP:
            report(n, notice, DNS_METRIC_NOTIFY_GIVEN_UP, "no answer");
            break;
        case DNS_NOTIFY_NOTHING:
            return;
        }
    }
}

static void on_timer(struct keel_timer *timer)
{
    struct dns_notifying *n = KEEL_CONTAINER(timer, struct dns_notifying, timer);
    send_due(n);
    if (n->save_ns && n->save_ns <= keel_loop_now(n->instance->loop))
        save(n);
    plan(n);
}

/* --- what happens --- */

void dns_notifying_begin(struct dns_notifying *n)
{
    if (n->began)
        return;
    n->began = true;
    load(n);
    dns_notifier_begin(&n->notifier);
    plan(n);
}

void dns_notifying_zone(struct dns_notifying *n, const struct dns_zone *zone)
{
    if (!n->began)
        return; /* its turn comes with all others */
    dns_notifier_zone(&n->notifier, zone);
    plan(n);
}

int dns_notifying_add(struct dns_notifying *n, const struct dns_notify_target *targets,
                      unsigned count)
{
    int err = 0;
    for (unsigned i = 0; err == 0 && i < count; i++)
        err = dns_notifier_add(&n->notifier, &targets[i]);
    return err;
}

void dns_notifying_forget(struct dns_notifying *n, const struct dns_zone *zone)
{
    dns_notifier_forget(&n->notifier, zone);
    if (n->began && n->notifier.changed && n->save_ns == 0)
        n->save_ns = keel_loop_now(n->instance->loop) + SAVE_AFTER;
    plan(n);
}

/* --- start and stop --- */

struct dns_notifying *dns_notifying_new(struct keel_instance *instance)
{
    struct dns_notifying *n = keel_calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->instance = instance;
    n->fds[V4] = n->fds[V6] = -1;
    dns_notifier_init(&n->notifier, (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
    keel_timer_init(&n->timer, instance->loop, "notify", on_timer);
    return n;
}

void dns_notifying_stop(struct dns_notifying *n)
{
    keel_timer_stop(&n->timer);
    if (n->began)
        save(n);
    n->began = false;
}

void dns_notifying_free(struct dns_notifying *n)
{
    if (!n)
        return;
    dns_notifying_stop(n);
    for (unsigned i = 0; i < FAMILIES; i++) {
        keel_dgram_free(n->sockets[i]);
        if (n->fds[i] >= 0)
            close(n->fds[i]);
    }
    dns_notifier_fini(&n->notifier);
    keel_free(n);
}
