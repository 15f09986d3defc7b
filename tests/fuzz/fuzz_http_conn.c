/*
 * What a client of HTTP/1 sends, to a worker whose handler keeps exchanges, reads bodies, pauses,
 * streams, aborts and makes tunnels as the paths say. Nothing may be left behind: the connection
 * ends with its client, and each exchange ended once. The first byte says where the input is cut.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/err.h"
#include "tests/support/http_server.h"
#include "tests/support/script_module.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void start(void)
{
    server_folder();
    server_file("n", "hello");
    server_start(
        "listen = \"127.0.0.1:0\"\nmax-discarded-body = 1k\nmax-header = 4k\nsend-timeout = 1s\n"
        "site \"a\" { root = \"%s\" max-body = 100 location \"/\" { } }\n",
        server_use_script);
    atexit(server_stop);
}

static void drop_answer(int fd)
{
    while (read(fd, received, sizeof received) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool started;
    if (!started)
        start();
    started = true;
    if (size < 2 || size > 4096)
        return 0;
    size_t cut = 1 + bytes[0] * (size - 1) / 256;
    int fd = client();
    (void)!write(fd, bytes + 1, cut - 1);
    turns(1);
    (void)!write(fd, bytes + cut, size - cut);
    for (unsigned i = 0; i < 8; i++) {
        turns(1);
        drop_answer(fd);
    }
    close(fd);
    for (unsigned i = 0; i < 4000 && keel_host_connections(host) > 0; i++)
        turns(1);
    KEEL_ASSERT(keel_host_connections(host) == 0, "a connection ends with its client");
    KEEL_ASSERT(script_started == script_ended + script_gone, "each exchange ends once");
    return 0;
}
