/*
 * What a client of HTTP/1 or HTTP/2 sends, to a worker whose handler keeps exchanges, reads bodies,
 * pauses, streams, aborts and makes tunnels as the paths say. Nothing may be left behind: the
 * connection ends with its client, and each exchange ended once.
 *
 * Of the first byte one bit says whether the client speaks HTTP/2 (its preface is sent for it), one
 * whether it reads nothing before its end, and the rest where the input is cut: what is due in
 * between happens. The same bits choose what a filter does to answers, before they are compressed;
 * half of them have it do nothing.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/err.h"
#include "httpd/handlers/encode.h"
#include "tests/support/http_server.h"
#include "tests/support/script_module.h"
#include "tests/support/virtual_time.h"

#define MANY_TURNS 1000
#define LONGEST (60 * KEEL_NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { HTTP2 = 1, READS_NOTHING = 2 };
static char kind[2];

static void use_filters(struct http_settings *s)
{
    static const struct http_filter_use filters[] = {
        {&script_change, kind}, {&script_mark, NULL}, {&http_encode_filter, NULL}, {NULL, NULL}};
    server_use_filters(s, filters);
}

static void start(void)
{
    server_folder();
    server_file("n", "hello");
    server_start(
        "listen = \"127.0.0.1:0\"\nmax-discarded-body = 1k\nmax-header = 4k\nsend-timeout = 1s\n"
        "site \"a\" { root = \"%s\" max-body = 100 compress = { \"gzip\", \"zstd\" }\n"
        "compress-min = 0 location \"/\" { } }\n",
        use_filters);
    atexit(server_stop);
}

static void drop_answer(int fd)
{
    while (read(fd, received, sizeof received) > 0)
        ;
}

/* A few milliseconds: longer than the handler takes for anything. */
static void offer(int fd, const uint8_t *bytes, size_t size, bool reads)
{
    (void)!write(fd, bytes, size);
    for (unsigned i = 0; i < 4; i++) {
        turns(1);
        if (reads)
            drop_answer(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static bool started;
    if (!started)
        start();
    started = true;
    if (size < 2 || size > 4096)
        return 0;
    uint8_t how = *bytes++;
    size_t cut = (how >> 2) * --size / 64;
    kind[0] = "........dxhfslen"[how >> 2 & 15];
    bool reads = !(how & READS_NOTHING);
    int fd = client();
    if (how & HTTP2)
        offer(fd, preface, sizeof preface - 1, reads);
    if (cut > 0)
        offer(fd, bytes, cut, reads);
    offer(fd, bytes + cut, size - cut, reads);
    offer(fd, NULL, 0, true);
    close(fd);
    uint64_t began = virtual_time_skipped();
    for (unsigned i = 0; i < MANY_TURNS && keel_host_connections(host) > 0; i++)
        keel_loop_turn(loop, KEEL_NS_PER_S);
    KEEL_ASSERT(keel_host_connections(host) == 0, "a connection ends with its client");
    KEEL_ASSERT(virtual_time_skipped() - began < LONGEST, "and soon");
    KEEL_ASSERT(script_started == script_ended + script_gone, "each exchange ends once");
    KEEL_ASSERT(script_changes == 0, "and so does each filter");
    return 0;
}
