/*
 * What the kernel knows of a connection. A file of its own: <netinet/tcp.h> has an older struct
 * tcp_info than <linux/tcp.h>, and they do not go together.
 */
#include "common/runtime/sock.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

uint64_t keel_sock_acked(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_acked : 0;
}
