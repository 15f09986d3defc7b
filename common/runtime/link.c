/* The part of packet.h that is about interfaces: what they are, and when they change. */
#include "common/runtime/packet.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- what there is --------------------------------------------------------------------------- */

/* "eth0:1", an address's label, belongs to eth0. */
static bool is_of(const char *label, const char *name)
{
    size_t n = strlen(name);
    return strncmp(label, name, n) == 0 && (label[n] == '\0' || label[n] == ':');
}

static void add_addr(struct keel_interface *out, const struct ifaddrs *a)
{
    if (out->addr_count == KEEL_INTERFACE_ADDRS)
        return;
    const struct sockaddr_in *addr = (const void *)a->ifa_addr;
    const struct sockaddr_in *mask = (const void *)a->ifa_netmask;
    out->addrs[out->addr_count].addr = addr->sin_addr;
    out->addrs[out->addr_count].prefix_length =
        mask ? (uint8_t)__builtin_popcount(mask->sin_addr.s_addr) : 32;
    out->addr_count++;
}

static void fill(struct keel_interface *out, const struct ifaddrs *all, const struct ifaddrs *link,
                 int sock)
{
    const struct sockaddr_ll *ll = (const void *)link->ifa_addr;
    struct ifreq request = {0};
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", link->ifa_name);
    out->index = (unsigned)ll->sll_ifindex;
    out->hardware_type = ll->sll_hatype;
    if (ll->sll_halen == KEEL_MAC_SIZE)
        memcpy(out->hardware, ll->sll_addr, KEEL_MAC_SIZE);
    out->up = link->ifa_flags & IFF_UP;
    out->running = link->ifa_flags & IFF_RUNNING;
    out->loopback = link->ifa_flags & IFF_LOOPBACK;
    memcpy(request.ifr_name, out->name, sizeof out->name);
    if (ioctl(sock, SIOCGIFMTU, &request) == 0)
        out->mtu = (unsigned)request.ifr_mtu;
    for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET && is_of(a->ifa_name, out->name))
            add_addr(out, a);
    }
}

/* Which one is wanted: by name, by index, or all. */
static int each_that(const char *name, unsigned index,
                     int (*visit)(void *arg, const struct keel_interface *interface), void *arg)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0)
        return KEEL_ESYS;
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = 0;
    for (const struct ifaddrs *a = all; a && !result; a = a->ifa_next) {
        if (!a->ifa_addr || a->ifa_addr->sa_family != AF_PACKET ||
            (name && strcmp(a->ifa_name, name) != 0) ||
            (index &&
             ((const struct sockaddr_ll *)(const void *)a->ifa_addr)->sll_ifindex != (int)index))
            continue;
        struct keel_interface interface;
        fill(&interface, all, a, sock);
        result = visit(arg, &interface);
    }
    if (sock >= 0)
        close(sock);
    freeifaddrs(all);
    return result;
}

int keel_interface_each(int (*visit)(void *arg, const struct keel_interface *interface), void *arg)
{
    return each_that(NULL, 0, visit, arg);
}

static int take(void *arg, const struct keel_interface *interface)
{
    *(struct keel_interface *)arg = *interface;
    return 1;
}

static int find(const char *name, unsigned index, struct keel_interface *out)
{
    int found = each_that(name, index, take, out);
    return found < 0 ? found : found ? 0 : KEEL_ENOENT;
}

int keel_interface_by_name(const char *name, struct keel_interface *out)
{
    return find(name, 0, out);
}

int keel_interface_by_index(unsigned index, struct keel_interface *out)
{
    return index ? find(NULL, index, out) : KEEL_ENOENT;
}

/* --- when it changes ------------------------------------------------------------------------- */

/* Interfaces that the messages of one turn were about; with more than these, all. */
#define CHANGES 64
struct changes {
    unsigned count;
    bool all;
    struct {
        unsigned index;
        char name[IFNAMSIZ];
    } items[CHANGES];
};

static void note_change(struct changes *c, unsigned index, const char *name)
{
    unsigned i = 0;
    while (i < c->count && c->items[i].index != index)
        i++;
    if (i == CHANGES) {
        c->all = true;
        return;
    }
    if (i == c->count) {
        c->items[c->count++].index = index;
        c->items[i].name[0] = '\0';
    }
    if (name)
        snprintf(c->items[i].name, IFNAMSIZ, "%s", name);
}

static void note_link(struct changes *c, struct nlmsghdr *head)
{
    struct ifinfomsg *info = NLMSG_DATA(head);
    const char *name = NULL;
    int size = (int)IFLA_PAYLOAD(head);
    for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
        if (a->rta_type == IFLA_IFNAME && memchr(RTA_DATA(a), '\0', RTA_PAYLOAD(a)))
            name = RTA_DATA(a);
    }
    note_change(c, (unsigned)info->ifi_index, name);
}

static void note_message(struct changes *c, struct nlmsghdr *head)
{
    switch (head->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
            note_link(c, head);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
            note_change(c, ((struct ifaddrmsg *)NLMSG_DATA(head))->ifa_index, NULL);
        break;
    }
}

/* Reads what waits, a bounded number of messages, because others wait too. */
static void collect(int fd, uint8_t *scratch, struct changes *c)
{
    for (int i = 0; i < 64; i++) {
        struct sockaddr_nl from = {0};
        socklen_t from_size = sizeof from;
        ssize_t n = recvfrom(fd, scratch, KEEL_LOOP_SCRATCH, MSG_TRUNC, (struct sockaddr *)&from,
                             &from_size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            c->all = true; /* ENOBUFS: messages were lost */
        if (n <= 0)
            return;
        if (from.nl_pid != 0) /* only the kernel is believed */
            continue;
        if (n > KEEL_LOOP_SCRATCH) {
            c->all = true;
            continue;
        }
        unsigned left = (unsigned)n;
        for (struct nlmsghdr *h = (void *)scratch; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
            note_message(c, h);
    }
}

static void on_netlink(struct keel_io *io, short what)
{
    struct keel_link_watch *watch = KEEL_CONTAINER(io, struct keel_link_watch, io);
    struct changes changes = {.count = 0};
    collect(watch->fd, keel_loop_scratch(io->loop), &changes);
    if (changes.all) {
        watch->on_change(watch, 0, "");
        return;
    }
    for (unsigned i = 0; i < changes.count && watch->fd >= 0; i++) {
        char name[IFNAMSIZ] = "";
        if (!changes.items[i].name[0] && if_indextoname(changes.items[i].index, name))
            memcpy(changes.items[i].name, name, sizeof name);
        watch->on_change(watch, changes.items[i].index, changes.items[i].name);
    }
}

int keel_link_watch_start(struct keel_link_watch *watch, struct keel_loop *loop,
                          void (*on_change)(struct keel_link_watch *watch, unsigned index,
                                            const char *name))
{
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK,
                               .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR};
    memset(watch, 0, sizeof *watch);
    watch->on_change = on_change;
    watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (watch->fd < 0)
        return KEEL_ESYS;
    if (bind(watch->fd, (struct sockaddr *)&addr, sizeof addr) == 0 &&
        keel_io_start(&watch->io, loop, watch->fd, KEEL_READ, KEEL_PRIORITY_CONTROL, "links",
                      on_netlink) == 0)
        return 0;
    int error = errno;
    close(watch->fd);
    watch->fd = -1;
    errno = error;
    return KEEL_ESYS;
}

void keel_link_watch_stop(struct keel_link_watch *watch)
{
    if (watch->fd < 0)
        return;
    keel_io_stop(&watch->io);
    close(watch->fd);
    watch->fd = -1;
}
