#include "tests/support/http_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/service/options.h"
#include "httpd/handlers/file.h"
#include "httpd/protocol.h"
#include "httpd/request/exchange.h"
#include "httpd/serve/metrics.h"
#include "httpd/serve/worker.h"
#include "tests/support/script_module.h"

struct keel_loop *loop;
struct keel_host *host;
void *settings;
struct keel_metrics metrics;
char folder[] = "/tmp/keel-test-XXXXXX";
char received[RECEIVED_MAX];
size_t received_size;
bool closed;

static struct keel_endpoints endpoints;

int configure(const char *text, struct keel_diag *diag)
{
    struct keel_conf *conf = NULL;
    const struct keel_conf_source source = {.file = "httpd.conf", .text = text};
    struct keel_option *rows = keel_options_join(&http_protocol);
    int err = keel_conf_load(rows, &source, &conf, diag);
    if (!err)
        err = http_settings_configure(conf, &settings, &endpoints, NULL, diag);
    keel_conf_free(conf);
    keel_free(rows);
    return err;
}

void server_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    KEEL_ASSERT(mkdtemp(folder), "a folder");
}

void server_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    KEEL_ASSERT(f, "a file");
    fputs(text, f);
    fclose(f);
    /* not of this moment: what may be changing gets another tag each time that it is read */
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= 10;
    times[1] = times[0];
    KEEL_ASSERT(utimensat(AT_FDCWD, path, times, 0) == 0, "its time");
}

void server_start(const char *format, void (*prepare)(struct http_settings *settings))
{
    struct keel_diag diag = {""};
    struct keel_buf text = {0};
    const char *mark = strstr(format, "%s");
    keel_buf_append(&text, format, mark ? (size_t)(mark - format) : strlen(format));
    if (mark)
        keel_buf_printf(&text, "%s%s", folder, mark + 2);
    KEEL_ASSERT(configure(keel_buf_text(&text), &diag) == 0, diag.text);
    keel_buf_fini(&text);
    if (prepare)
        prepare(settings);
    KEEL_ASSERT(keel_metrics_new_private(http_metrics, &metrics) == 0, "metrics");
    loop = keel_loop_new();
    struct keel_host_options options = {.loop = loop,
                                        .protocol = &http_protocol,
                                        .settings = settings,
                                        .endpoints = endpoints.items,
                                        .endpoint_count = endpoints.count,
                                        .state_dir = "/tmp",
                                        .workers = 1,
                                        .metrics = metrics,
                                        .active = true};
    KEEL_ASSERT(keel_host_new(&options, &host, &diag) == 0, diag.text);
}

void server_use_script(struct http_settings *s)
{
    static struct http_step steps[] = {
        {.handler = &http_module}, {.handler = &http_file_handler}, {0}};
    steps[0].number = s->handlers.count;
    s->handlers.items[s->handlers.count++] = &http_module;
    s->sites.items[0].locations[0].steps = steps;
}

void server_use_filters(struct http_settings *s, const struct http_filter_use *filters)
{
    static struct http_step steps[4];
    struct http_location *location = &s->sites.items[0].locations[0];
    server_use_script(s);
    steps[0] = (struct http_step){.handler = &http_filtered_handler, .number = s->handlers.count};
    s->handlers.items[s->handlers.count++] = &http_filtered_handler;
    memcpy(steps + 1, location->steps, 3 * sizeof *steps);
    location->steps = steps;
    location->filters = filters;
    location->filters_files = true;
}

void server_stop(void)
{
    char command[64];
    keel_host_free(host);
    keel_loop_free(loop);
    keel_metrics_free_private(&metrics);
    http_settings_free(settings);
    keel_free(endpoints.items);
    endpoints = (struct keel_endpoints){0};
    snprintf(command, sizeof command, "rm -r %s", folder);
    KEEL_ASSERT(system(command) == 0, "the folder goes");
}

int client(void)
{
    int pair[2];
    KEEL_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0,
                "a connection");
    keel_host_take_connection(host, 0, pair[0]);
    return pair[1];
}

void turns(unsigned n)
{
    while (n-- > 0)
        KEEL_ASSERT(keel_loop_turn(loop, KEEL_NS_PER_MS) == 0, "the loop turns");
}

void send_text(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0)
            turns(1);
        else
            text += n, size -= (size_t)n;
    }
}

const char *answer(int fd)
{
    received_size = 0;
    closed = false;
    for (unsigned quiet = 0; quiet < 20 && !closed;) {
        turns(1);
        ssize_t n = read(fd, received + received_size, sizeof received - 1 - received_size);
        closed = n == 0;
        quiet = n > 0 ? 0 : quiet + 1;
        received_size += n > 0 ? (size_t)n : 0;
    }
    received[received_size] = '\0';
    return received;
}

const char *exchange(int fd, const char *text)
{
    send_text(fd, text, strlen(text));
    return answer(fd);
}

void server_starve(const char *const *texts, size_t count, unsigned most)
{
    for (size_t i = 0; i < count; i++)
        for (unsigned n = 1; n <= most; n++) {
            int fd = client();
            turns(1);
            keel_mem_fail_at(n);
            send_text(fd, texts[i], strlen(texts[i]));
            turns(8);
            uint64_t asked = keel_mem_count();
            keel_mem_fail_at(0);
            answer(fd);
            close(fd);
            turns(2);
            if (asked < n) /* nothing was refused */
                break;
        }
}

unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (text = strstr(text, what); text; text = strstr(text + 1, what))
        n++;
    return n;
}

void talk(struct h2_client *h2, int fd)
{
    static uint8_t bytes[1 << 16];
    closed = false;
    for (unsigned quiet = 0; quiet < 20 && !closed;) {
        size_t out = h2_client_output(h2, bytes, sizeof bytes);
        send_text(fd, (char *)bytes, out);
        turns(1);
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n > 0)
            h2_client_input(h2, bytes, (size_t)n);
        closed = n == 0;
        quiet = n > 0 || out > 0 ? 0 : quiet + 1;
    }
    KEEL_ASSERT(!h2->failed, "the server keeps to HTTP/2");
}
