#include "dhcpd/serve/updater.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/runtime/sock.h"
#include "common/service/log.h"
#include "dhcpd/serve/status.h"
#include "dnsd/wire/message.h"

#include <errno.h>
#include <unistd.h>

#define PATIENCE (2 * KEEL_NS_PER_S)
/* Between two looks at work that is over but could not be taken out of the queue. */
#define IDLE KEEL_NS_PER_S

struct dhcp_updater {
    struct keel_instance *instance;
    struct keel_store *env;
    const struct dhcp_ddns_settings *settings;
    struct dhcp_registry names;
    struct dhcp_ddns_window window;
    /* of the slot with the same index */
    struct {
        struct dns_tsig_session session;
        bool tcp;
    } exchanges[DHCP_DDNS_WINDOW];
    struct keel_timer timer;
    struct keel_io io;
    int fd;
    struct keel_stream stream;     /* ops NULL: not in use */
    struct dhcp_ddns_slot *by_tcp; /* what goes over the stream; NULL: there is none */
    uint64_t done, conflicts, failed, retries;
    bool away; /* the server was found not to answer, and that was said */
    char error[160];
    uint64_t error_at; /* seconds since 1970 */
};

static unsigned index_of(const struct dhcp_updater *u, const struct dhcp_ddns_slot *slot)
{
    return (unsigned)(slot - u->window.slots);
}
static uint64_t now_seconds(const struct dhcp_updater *u)
{
    return keel_loop_realtime(u->instance->loop) / KEEL_NS_PER_S;
}

/* --- what came of it -------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void fail(struct dhcp_updater *u, const char *fmt, ...)
{
    char server[KEEL_ADDR_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(u->error, sizeof u->error, fmt, args);
    va_end(args);
    u->error_at = now_seconds(u);
    u->retries++;
    keel_metric_add(&u->instance->metrics, DHCP_METRIC_DDNS_RETRIES, 1);
    if (u->away)
        return;
    u->away = true;
    keel_addr_format(server, sizeof server, &u->settings->server);
    keel_warning("ddns", "the DNS server does not take updates", "server=%s error=%s", server,
                 u->error);
}

/* Counts a piece of work that is over now. */
static void note_over(struct dhcp_updater *u, const struct dhcp_ddns_slot *slot)
{
    char name[DNS_NAME_TEXT], address[16];
    if (slot->state != DHCP_DDNS_OVER)
        return;
    dns_name_to_text(name, slot->op.name.bytes);
    dhcp_address_text(slot->op.address, address);
    enum dhcp_metric metric = DHCP_METRIC_DDNS_DONE;
    if (slot->step == DHCP_DDNS_CONFLICT) {
        metric = DHCP_METRIC_DDNS_DONE + 1;
        u->conflicts++;
        keel_notice("ddns", "the name is somebody else's", "name=%s address=%s", name, address);
    } else if (slot->step == DHCP_DDNS_FAILED) {
        metric = DHCP_METRIC_DDNS_DONE + 2;
        u->failed++;
        keel_warning("ddns", "the update was given up", "name=%s address=%s error=%s", name,
                     address, u->error);
    } else {
        u->done++;
        keel_debug("ddns", slot->op.kind == DHCP_DDNS_ADD ? "entered" : "removed",
                   "name=%s address=%s", name, address);
    }
    keel_metric_add(&u->instance->metrics, metric, 1);
}

static void lose(struct dhcp_updater *u, struct dhcp_ddns_slot *slot)
{
    if (u->by_tcp == slot)
        u->by_tcp = NULL;
    /* next time the other way: something between us may let only one of them through */
    u->exchanges[index_of(u, slot)].tcp = !u->exchanges[index_of(u, slot)].tcp;
    dhcp_ddns_window_lost(&u->window, slot, keel_loop_now(u->instance->loop));
}

static void on_answer(struct dhcp_updater *u, const uint8_t *bytes, size_t size, bool tcp)
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    if (size < DNS_HEADER_SIZE)
        return;
    struct dhcp_ddns_slot *slot = dhcp_ddns_window_find(&u->window, keel_get_u16(bytes));
    unsigned flags = keel_get_u16(bytes + 2), rcode = flags & DNS_RCODE_MASK, error = 0;
    if (!slot || (u->by_tcp == slot) != tcp || !(flags & DNS_FLAG_QR) ||
        (flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT != DNS_OPCODE_UPDATE)
        return;
    if (u->by_tcp == slot)
        u->by_tcp = NULL;
    if ((flags & DNS_FLAG_TC) && !tcp) {
        u->exchanges[index_of(u, slot)].tcp = true;
        dhcp_ddns_window_again(slot);
        return;
    }
    struct dns_tsig_session *session = &u->exchanges[index_of(u, slot)].session;
    if (session->signs && dns_tsig_verify(session, bytes, size, now_seconds(u), &error) != 0) {
        fail(u, "the answer is not signed by our key: %s",
             error        ? dns_tsig_error_name(error)
             : rcode < 11 ? names[rcode]
                          : "unknown error");
        lose(u, slot);
        return;
    }
    uint8_t refusals = slot->refusals;
    dhcp_ddns_window_answer(&u->window, slot, rcode, keel_loop_now(u->instance->loop));
    if (slot->refusals > refusals || slot->step == DHCP_DDNS_FAILED) {
        fail(u, "the server answered %s", rcode < 11 ? names[rcode] : "an unknown error");
    } else if (u->away) {
        u->away = false;
        keel_info("ddns", "the DNS server takes updates again", "waiting=%llu",
                  (unsigned long long)keel_store_count(u->names.queue));
    }
    note_over(u, slot);
}

/* --- TCP -------------------------------------------------------------------------------------- */

static size_t stream_on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct dhcp_updater *u = KEEL_CONTAINER(s, struct dhcp_updater, stream);
    if (size < 2 || size < 2u + keel_get_u16(bytes))
        return 0;
    on_answer(u, bytes + 2, keel_get_u16(bytes), true);
    keel_stream_close(s);
    return size;
}

static void stream_on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct dhcp_updater *u = KEEL_CONTAINER(s, struct dhcp_updater, stream);
    struct dhcp_ddns_slot *slot = u->by_tcp;
    (void)why;
    if (slot && slot->state == DHCP_DDNS_SENT) {
        fail(u, "no answer over TCP");
        lose(u, slot);
    }
    u->by_tcp = NULL;
    u->stream.ops = NULL;
    keel_timer_start(&u->timer, 0, 0); /* the stream cannot be used again before this returns */
}

static const struct keel_stream_ops stream_ops = {
    .name = "ddns",
    .on_data = stream_on_data,
    .on_close = stream_on_close,
};

static int send_tcp(struct dhcp_updater *u, struct dhcp_ddns_slot *slot, const uint8_t *bytes,
                    size_t size)
{
    uint8_t length[2];
    keel_put_u16(length, (uint16_t)size);
    int err = keel_stream_connect(&u->stream, u->instance->loop, &u->settings->server, NULL,
                                  &stream_ops, PATIENCE, NULL, NULL);
    if (err)
        return err;
    u->by_tcp = slot;
    keel_stream_deadline(&u->stream, PATIENCE);
    keel_stream_write(&u->stream, length, 2);
    keel_stream_write(&u->stream, bytes, size);
    return 0;
}

/* --- UDP -------------------------------------------------------------------------------------- */

static void on_ready(struct keel_io *io, short what)
{
    struct dhcp_updater *u = KEEL_CONTAINER(io, struct dhcp_updater, io);
    uint8_t *bytes = keel_loop_scratch(u->instance->loop);
    (void)what;
    for (unsigned i = 0; i < 2 * DHCP_DDNS_WINDOW; i++) {
        ssize_t n = recv(u->fd, bytes, KEEL_LOOP_SCRATCH, 0);
        if (n >= 0) {
            on_answer(u, bytes, (size_t)n, false);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR)
            break;
        fail(u, "%s", strerror(errno)); /* nobody listens there */
        for (unsigned k = 0; k < DHCP_DDNS_WINDOW; k++)
            if (u->window.slots[k].state == DHCP_DDNS_SENT && u->by_tcp != &u->window.slots[k])
                lose(u, &u->window.slots[k]);
    }
    dhcp_updater_run(u);
}

static void close_udp(struct dhcp_updater *u)
{
    if (u->fd < 0)
        return;
    keel_io_stop(&u->io);
    close(u->fd);
    u->fd = -1;
}

/* Opened when it is needed: a network that is not there at the start may come. */
static int open_udp(struct dhcp_updater *u)
{
    struct keel_diag diag;
    if (u->fd >= 0)
        return 0;
    u->fd = keel_sock_connect(&u->settings->server, NULL, SOCK_DGRAM, &diag);
    int err = u->fd < 0 ? u->fd : 0;
    if (!err)
        err = keel_io_start(&u->io, u->instance->loop, u->fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC,
                            "ddns", on_ready);
    if (u->fd < 0)
        fail(u, "%s", diag.text);
    else if (err)
        close_udp(u);
    return err;
}

/* --- the work --------------------------------------------------------------------------------- */

static uint16_t new_id(struct dhcp_updater *u)
{
    uint16_t id;
    do
        id = (uint16_t)keel_rand_u64();
    while (dhcp_ddns_window_find(&u->window, id));
    return id;
}

/* False: nothing more can be sent now. */
static bool send_one(struct dhcp_updater *u, struct dhcp_ddns_slot *slot)
{
    uint8_t bytes[DHCP_DDNS_MESSAGE_MAX];
    struct keel_writer w;
    unsigned i = index_of(u, slot);
    uint64_t now = keel_loop_now(u->instance->loop);
    struct dns_tsig_session *session = &u->exchanges[i].session;
    if (u->exchanges[i].tcp && u->stream.ops)
        return false; /* one connection at a time */
    uint16_t id = new_id(u);
    keel_writer_init(&w, bytes, sizeof bytes);
    dns_tsig_none(session);
    if (u->settings->key)
        dns_tsig_open(session, u->settings->key);
    if (dhcp_ddns_build(&slot->op, slot->step, u->names.rules, id, &w) != 0 ||
        keel_writer_left(&w) < session->room || dns_tsig_sign(session, &w, now_seconds(u)) != 0) {
        snprintf(u->error, sizeof u->error, "the name is in no zone of ours any more");
        dhcp_ddns_window_give_up(slot);
        note_over(u, slot);
        return true;
    }
    size_t size = keel_writer_offset(&w);
    dhcp_ddns_window_sent(&u->window, slot, id, now);
    int err = u->exchanges[i].tcp ? send_tcp(u, slot, bytes, size) : open_udp(u);
    if (!err && !u->exchanges[i].tcp && send(u->fd, bytes, size, 0) < 0 && errno != EAGAIN) {
        fail(u, "%s", strerror(errno));
        err = KEEL_ESYS;
    }
    if (err)
        lose(u, slot);
    return err == 0;
}

/* Takes what is over out of the queue, many with one commit. */
static void flush(struct dhcp_updater *u)
{
    unsigned over = 0, waiting = 0;
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++) {
        over += u->window.slots[i].state == DHCP_DDNS_OVER;
        waiting += u->window.slots[i].state == DHCP_DDNS_READY ||
                   u->window.slots[i].state == DHCP_DDNS_SENT;
    }
    if (over == 0 || (over < DHCP_DDNS_WINDOW / 2 && waiting > 0) || keel_store_begin(u->env) != 0)
        return;
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        if (u->window.slots[i].state == DHCP_DDNS_OVER)
            dhcp_registry_over(&u->names, &u->window.slots[i]); /* an error is the commit's too */
    if (keel_store_commit(u->env) != 0)
        return;
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        if (u->window.slots[i].state == DHCP_DDNS_OVER)
            u->window.slots[i].state = DHCP_DDNS_EMPTY;
    u->names.fresh = true; /* there may be more behind */
}

static void load(struct dhcp_updater *u)
{
    bool empty[DHCP_DDNS_WINDOW];
    if (!u->names.fresh || !dhcp_ddns_window_room(&u->window) || keel_store_read(u->env) != 0)
        return;
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        empty[i] = u->window.slots[i].state == DHCP_DDNS_EMPTY;
    dhcp_registry_load(&u->names, &u->window);
    keel_store_read_end(u->env);
    for (unsigned i = 0; i < DHCP_DDNS_WINDOW; i++)
        if (empty[i])
            u->exchanges[i].tcp = false;
}

void dhcp_updater_run(struct dhcp_updater *u)
{
    struct dhcp_ddns_slot *slot;
    uint64_t now = keel_loop_now(u->instance->loop);
    flush(u);
    load(u);
    while ((slot = dhcp_ddns_window_next(&u->window, now)))
        if (!send_one(u, slot))
            break;
    flush(u);
    keel_metric_set(&u->instance->metrics, DHCP_METRIC_DDNS_QUEUE,
                    keel_store_count(u->names.queue));
    uint64_t wake = dhcp_ddns_window_wake(&u->window);
    if (wake > now + IDLE)
        wake = now + IDLE;
    keel_timer_start(&u->timer, wake > now ? wake - now : 0, 0);
}

static void on_timer(struct keel_timer *timer)
{
    struct dhcp_updater *u = KEEL_CONTAINER(timer, struct dhcp_updater, timer);
    struct dhcp_ddns_slot *slot;
    uint64_t now = keel_loop_now(u->instance->loop);
    while ((slot = dhcp_ddns_window_late(&u->window, now))) {
        if (u->by_tcp == slot) {
            keel_stream_close(&u->stream); /* it is lost there */
            continue;
        }
        fail(u, "no answer");
        lose(u, slot);
    }
    dhcp_updater_run(u);
}

/* --- life ------------------------------------------------------------------------------------- */

int dhcp_updater_new(struct keel_instance *instance, struct keel_store *env,
                     const struct dhcp_ddns_settings *settings, struct dhcp_updater **out,
                     struct keel_diag *diag)
{
    struct dhcp_updater *u = keel_calloc(1, sizeof *u);
    if (!u)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    u->instance = instance;
    u->env = env;
    u->settings = settings;
    u->fd = -1;
    dhcp_ddns_window_init(&u->window, PATIENCE);
    keel_timer_init(&u->timer, instance->loop, "ddns", on_timer);
    int err = dhcp_registry_open(&u->names, env, &settings->naming, settings->queue, diag);
    if (!err)
        err = keel_timer_start(&u->timer, 0, 0);
    if (err) {
        dhcp_updater_free(u);
        return err;
    }
    *out = u;
    return 0;
}

void dhcp_updater_free(struct dhcp_updater *u)
{
    if (!u)
        return;
    u->by_tcp = NULL;
    if (u->stream.ops)
        keel_stream_close(&u->stream);
    keel_timer_stop(&u->timer);
    close_udp(u);
    keel_free(u);
}

int dhcp_updater_follow(struct dhcp_updater *u, const struct dhcp_event *event)
{
    return dhcp_registry_follow(&u->names, event, now_seconds(u));
}

int dhcp_updater_status(struct dhcp_updater *u, json_t **result, struct keel_diag *diag)
{
    char server[KEEL_ADDR_TEXT];
    struct dhcp_ddns_op oldest;
    json_t *age = json_null(), *error = json_null();
    if (keel_store_read(u->env) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "the lease store cannot be read");
    uint64_t now = now_seconds(u);
    if (dhcp_registry_oldest(&u->names, &oldest) == 0)
        age = json_integer((json_int_t)(now > oldest.queued ? now - oldest.queued : 0));
    uint64_t waiting = keel_store_count(u->names.queue);
    uint64_t names = keel_store_count(u->names.names);
    keel_store_read_end(u->env);
    if (u->error[0])
        error = json_pack("{s:s, s:I}", "text", u->error, "seconds-ago",
                          (json_int_t)(now > u->error_at ? now - u->error_at : 0));
    keel_addr_format(server, sizeof server, &u->settings->server);
    *result = json_pack("{s:s, s:b, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "server", server,
                        "reachable", !u->away, "waiting", (json_int_t)waiting, "oldest-seconds",
                        age, "names", (json_int_t)names, "done", (json_int_t)u->done, "conflicts",
                        (json_int_t)u->conflicts, "failed", (json_int_t)u->failed, "retries",
                        (json_int_t)u->retries, "refused", (json_int_t)u->names.refused,
                        "last-error", error);
    return *result ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}
