/* triald: a daemon for the tests of the core. It serves unix sockets too, fails on demand, and
 * tells two owners of one thing from one. Each line is answered with "WORKER PID TAG
 * ADDRESS". */
#include "common/base/mem.h"
#include "common/keel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const struct keel_option options[] = {
    {.name = "unix", .type = KEEL_OPT_PATH, .help = "A stream socket."},
    {.name = "unix-dgram", .type = KEEL_OPT_PATH, .help = "A datagram socket."},
    {.name = "tag", .type = KEEL_OPT_STRING, .def = "none", .help = "Ends each answer."},
    {.name = "start",
     .type = KEEL_OPT_CHOICE,
     .def = "good",
     .choices = "good|fails|dies|waits",
     .help = "How a worker's start goes."},
    {.type = KEEL_OPT_END},
};
enum { START_GOOD, START_FAILS, START_DIES, START_WAITS };

static const struct keel_metric metrics[] = {
    {"triald_lines_total", KEEL_COUNTER, NULL, "Answers."},
    {0},
};

struct settings {
    char *tag;
    int64_t start;
};

static void free_settings(void *settings)
{
    keel_free(((struct settings *)settings)->tag);
    keel_free(settings);
}

static int add_path(struct keel_endpoints *list, enum keel_endpoint_kind kind, const char *path)
{
    struct keel_endpoint e = {.kind = kind};
    if (!path)
        return 0;
    snprintf(e.path, sizeof e.path, "%s", path);
    return keel_endpoints_add(list, &e);
}

static int configure(const struct keel_conf *conf, void **settings, struct keel_endpoints *list,
                     struct keel_access *access, struct keel_diag *diag)
{
    struct settings *s = keel_calloc(1, sizeof *s);
    if (!s)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    *settings = s;
    s->tag = keel_strdup(keel_conf_str(conf, "tag"));
    s->start = keel_conf_int(conf, "start");
    if (!list)
        return 0;
    int err = add_path(list, KEEL_ENDPOINT_UNIX, keel_conf_str(conf, "unix"));
    if (!err)
        err = add_path(list, KEEL_ENDPOINT_UNIX_DGRAM, keel_conf_str(conf, "unix-dgram"));
    return err ? err : keel_endpoints_add_listen(list, conf, "listen", true, true, diag);
}

static int start(struct keel_instance *instance, struct keel_diag *diag)
{
    const struct settings *s = instance->settings;
    if (s->start == START_FAILS)
        return keel_diag_set(diag, KEEL_EINVAL, "told to fail");
    if (s->start == START_DIES)
        kill(getpid(), SIGKILL);
    while (s->start == START_WAITS)
        usleep(10000);
    return 0;
}

/* What may have one owner only: two at once is what the tests look for in the log. */
static int activate(struct keel_instance *instance, struct keel_diag *diag)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/owner", instance->state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        keel_warning("trial", "another owner", "worker=%u error=%m", instance->worker);
    return 0; /* the lock goes with the process */
}

static int answer(struct keel_instance *instance, const struct keel_endpoint *e, char *out,
                  size_t size)
{
    const struct settings *s = instance->settings;
    char address[KEEL_ADDR_TEXT] = "unix";
    if (!e->path[0])
        keel_addr_format(address, sizeof address, &e->addr);
    keel_metric_add(&instance->metrics, 0, 1);
    return snprintf(out, size, "%u %d %s %s\n", instance->worker, (int)getpid(), s->tag, address);
}

static size_t on_data(struct keel_stream *stream, const uint8_t *bytes, size_t size)
{
    struct keel_connection *c = keel_connection_of(stream);
    char text[256];
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            keel_stream_write(stream, text,
                              (size_t)answer(c->instance, c->endpoint, text, sizeof text));
    }
    return size;
}

static void on_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                     struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    char text[256];
    for (unsigned i = 0; i < count; i++)
        keel_dgram_send(d, &batch[i], text, (size_t)answer(instance, endpoint, text, sizeof text));
}

/* Blocks the loop for so many milliseconds. */
static int block(struct keel_instance *instance, json_t *args, json_t **result,
                 struct keel_diag *diag)
{
    const char *ms = json_string_value(json_array_get(args, 0));
    usleep((useconds_t)(ms ? atoi(ms) : 0) * 1000);
    return 0;
}

static const struct keel_command commands[] = {
    {"block", "MS", "block the loop of one worker", KEEL_COMMAND_ONE, block},
    {0},
};
static const struct keel_stream_ops stream = {.name = "trial", .on_data = on_data};
static const struct keel_protocol triald = {
    KEEL_PROTOCOL,
    .name = "triald",
    .version = "1.0",
    .summary = "tries the core",
    .options = options,
    .metrics = metrics,
    .commands = commands,
    .configure = configure,
    .free_settings = free_settings,
    .start = start,
    .activate = activate,
    .connection_size = sizeof(struct keel_connection),
    .stream = &stream,
    .on_batch = on_batch,
    .dgram = {.receive_size = 2048, .send_size = 2048},
};

int main(int argc, char **argv)
{
    return keel_main(argc, argv, &triald);
}
