/*
 * A daemon for the tests of helper processes: whoever says a line gets the next number. The numbers
 * come from one helper, which alone owns the file that keeps the last one. Who reaches a helper
 * that has handed the file on is told 0: ask again.
 */
#include <keel.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MSG_NEXT = 1, MSG_NUMBER };
enum { PENDING_MAX = 1024 };

/* --- the helper --- */

struct counter {
    struct keel_instance *instance;
    struct keel_timer handover, late;
    struct keel_deferred *owed; /* the reply to `later` */
    int file;                   /* -1: not active yet, or retired */
    bool retired;
    uint32_t last;
    struct {
        unsigned worker;
        uint32_t id;
    } pending[PENDING_MAX]; /* asked before it was active */
    unsigned pending_count;
};

static void give(struct keel_instance *instance, unsigned worker, uint32_t id)
{
    struct counter *c = instance->state;
    char text[16];
    int n = snprintf(text, sizeof text, "%010u", ++c->last);
    if (pwrite(c->file, text, (size_t)n, 0) == n)
        keel_instance_send(instance, worker, MSG_NUMBER, id, c->last, NULL, 0, NULL, 0);
}

static void pay(struct counter *c, int err)
{
    struct keel_deferred *owed = c->owed;
    c->owed = NULL;
    if (owed)
        keel_command_reply(owed, err, err ? NULL : json_integer(c->last), "it stops");
}

static void on_late(struct keel_timer *timer)
{
    pay(KEEL_CONTAINER(timer, struct counter, late), 0);
}

static void on_handover(struct keel_timer *timer)
{
    struct counter *c = KEEL_CONTAINER(timer, struct counter, handover);
    close(c->file);
    c->file = -1;
    c->retired = true;
    keel_instance_retired(c->instance);
}

/* Our workers have just stopped accepting: what they have sent already is still served. */
static void counter_retire(struct keel_instance *instance)
{
    struct counter *c = instance->state;
    keel_timer_start(&c->handover, 100 * KEEL_NS_PER_MS, 0);
}

static int counter_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct counter *c = keel_calloc(1, sizeof *c);
    c->file = -1;
    c->instance = instance;
    keel_timer_init(&c->late, instance->loop, "late", on_late);
    keel_timer_init(&c->handover, instance->loop, "handover", on_handover);
    instance->state = c;
    return 0;
}

/* Two owners at once would be a fault of the core: the lock shows it. */
static int counter_activate(struct keel_instance *instance, struct keel_diag *diag)
{
    struct counter *c = instance->state;
    struct flock lock = {.l_type = F_WRLCK};
    char path[4096], text[16] = "";
    snprintf(path, sizeof path, "%s/number", instance->state_dir);
    c->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->file < 0 || fcntl(c->file, F_SETLK, &lock) != 0)
        return keel_diag_set(diag, KEEL_EBUSY, "%s has another owner", path);
    if (pread(c->file, text, sizeof text - 1, 0) > 0)
        c->last = (uint32_t)strtoul(text, NULL, 10);
    for (unsigned i = 0; i < c->pending_count; i++)
        give(instance, c->pending[i].worker, c->pending[i].id);
    return 0;
}

static void counter_stop(struct keel_instance *instance)
{
    struct counter *c = instance->state;
    keel_timer_stop(&c->handover);
    keel_timer_stop(&c->late);
    pay(c, KEEL_ECANCELED);
    if (c->file >= 0)
        close(c->file);
    keel_free(c);
}

static void counter_on_message(struct keel_instance *instance, unsigned worker,
                               struct keel_message *message)
{
    struct counter *c = instance->state;
    if (c->file >= 0)
        give(instance, worker, message->a);
    else if (c->retired)
        keel_instance_send(instance, worker, MSG_NUMBER, message->a, 0, NULL, 0, NULL, 0);
    else if (c->pending_count < PENDING_MAX) {
        c->pending[c->pending_count].worker = worker;
        c->pending[c->pending_count++].id = message->a;
    }
}

static const struct keel_helper counter = {
    .name = "counter",
    .start = counter_start,
    .activate = counter_activate,
    .stop = counter_stop,
    .on_message = counter_on_message,
    .retire = counter_retire,
};
static const struct keel_helper *const helpers[] = {&counter, NULL};

/* --- the workers --- */

struct connection {
    struct keel_connection core;
    struct keel_list node; /* those that wait for a number */
    uint32_t id;
};

struct worker {
    struct keel_list waiting;
    uint32_t next_id;
    unsigned count;
};

static int start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct worker *w = keel_calloc(1, sizeof *w);
    keel_list_init(&w->waiting);
    instance->state = w;
    return KEEL_EAGAIN; /* ready when the helper is there */
}

static void stop(struct keel_instance *instance)
{
    keel_free(instance->state);
}

static void ask(struct keel_instance *instance, struct connection *c)
{
    keel_instance_send(instance, 0, MSG_NEXT, c->id, 0, NULL, 0, NULL, 0);
}

static void on_helper(struct keel_instance *instance, unsigned helper, bool up)
{
    struct worker *w = instance->state;
    if (!up)
        return;
    keel_instance_ready(instance);
    keel_list_for (node, &w->waiting) /* what the one before took to its grave */
        ask(instance, KEEL_CONTAINER(node, struct connection, node));
}

static void on_helper_message(struct keel_instance *instance, unsigned helper,
                              struct keel_message *message)
{
    struct worker *w = instance->state;
    char text[16];
    keel_list_for_safe (node, &w->waiting) {
        struct connection *c = KEEL_CONTAINER(node, struct connection, node);
        if (c->id != message->a)
            continue;
        keel_list_remove(node);
        int n = snprintf(text, sizeof text, "%u\n", message->b);
        keel_stream_write(&c->core.stream, text, (size_t)n);
        return;
    }
}

static void on_connect(struct keel_connection *connection)
{
    keel_list_init(&((struct connection *)connection)->node);
}

static size_t on_data(struct keel_stream *stream, const uint8_t *bytes, size_t size)
{
    struct connection *c = (struct connection *)keel_connection_of(stream);
    struct worker *w = c->core.instance->state;
    if (keel_list_empty(&c->node)) {
        c->id = ++w->next_id;
        keel_list_push_back(&w->waiting, &c->node);
        ask(c->core.instance, c);
    }
    return size;
}

static void on_close(struct keel_stream *stream, enum keel_stream_end why)
{
    keel_list_remove(&((struct connection *)keel_connection_of(stream))->node);
}

static int show_last(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    *result = json_integer(((struct counter *)instance->state)->last);
    return 0;
}

/* The same, as many seconds later as it says. */
static int show_later(struct keel_instance *instance, json_t *args, json_t **result,
                      struct keel_diag *diag)
{
    struct counter *c = instance->state;
    const char *seconds = json_string_value(json_array_get(args, 0));
    if (!seconds || c->owed)
        return keel_diag_set(diag, KEEL_EINVAL, "later SECONDS, one at a time");
    c->owed = keel_command_defer(instance);
    if (!c->owed)
        return KEEL_ENOMEM;
    keel_timer_start(&c->late, strtoul(seconds, NULL, 10) * KEEL_NS_PER_S, 0);
    return KEEL_EAGAIN;
}

static int configure(const struct keel_conf *conf, void **settings,
                     struct keel_endpoints *endpoints, struct keel_access *access,
                     struct keel_diag *diag)
{
    return endpoints ? keel_endpoints_add_listen(endpoints, conf, "listen", true, false, diag) : 0;
}

static const struct keel_command commands[] = {
    {"last", "", "the last number given", KEEL_COMMAND_HELPER, show_last},
    {"later", "SECONDS", "the same, later", KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, show_later},
    {0},
};
static const struct keel_stream_ops ops = {
    .name = "teller", .on_data = on_data, .on_close = on_close};
static const struct keel_protocol teller = {
    KEEL_PROTOCOL,
    .name = "teller",
    .version = "1",
    .summary = "tells numbers",
    .commands = commands,
    .configure = configure,
    .start = start,
    .stop = stop,
    .connection_size = sizeof(struct connection),
    .stream = &ops,
    .on_connect = on_connect,
    .helpers = helpers,
    .on_helper = on_helper,
    .on_helper_message = on_helper_message,
};

int main(int argc, char **argv)
{
    return keel_main(argc, argv, &teller);
}
