/*
 * What the kernel knows of a connection. A file of its own: <netinet/tcp.h> has an older struct
 * tcp_info than <linux/tcp.h>, and they do not go together.
 */
#include "common/runtime/sock.h"

#include "common/base/clock.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool ask(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof *info;
    memset(info, 0, sizeof *info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

uint64_t keel_sock_acked(int fd)
{
    struct tcp_info info;
    return ask(fd, &info) ? info.tcpi_bytes_acked : 0;
}

bool keel_sock_traffic(int fd, struct keel_sock_traffic *out)
{
    struct tcp_info info;
    *out = (struct keel_sock_traffic){0};
    if (!ask(fd, &info))
        return false;
    uint64_t idle_ms = info.tcpi_last_data_sent < info.tcpi_last_data_recv
                           ? info.tcpi_last_data_sent
                           : info.tcpi_last_data_recv;
    *out = (struct keel_sock_traffic){.received = info.tcpi_bytes_received,
                                      .sent = info.tcpi_bytes_acked,
                                      .idle_ns = idle_ms * KEEL_NS_PER_MS,
                                      .rtt_ns = (uint64_t)info.tcpi_rtt * 1000};
    return true;
}
