#include "dhcpd/serve/probe.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/runtime/probe.h"
#include "common/service/log.h"
#include "dhcpd/serve/serve.h"
#include "dhcpd/serve/status.h"

#include <fcntl.h>
#include <net/if_arp.h>
#include <unistd.h>

#define PROBES_MAX 256 /* clients that wait at a time; others are answered without a probe */
#define REQUEST_MAX 1500
#define ANSWERS_MAX 64 /* read in one turn */

/* A client that waits. */
struct probe {
    uint32_t address;  /* asked; 0: the slot is not in use */
    uint64_t deadline; /* monotonic ns */
    uint64_t cookie;   /* of the echo; 0: ARP is asked */
    bool ethernet;
    uint8_t hardware[KEEL_MAC_SIZE]; /* of the client, when ethernet */
    const struct keel_endpoint *endpoint;
    struct keel_datagram datagram; /* its message, the last that it sent */
    uint8_t bytes[REQUEST_MAX];
};

struct dhcp_probes {
    struct dhcp_serve *serve;
    uint64_t wait;
    struct keel_timer timer;
    struct {
        struct keel_io io;
        int fd; /* -1: there is none */
    } arp, echo;
    unsigned waiting;
    struct probe items[PROBES_MAX];
};

static uint64_t now(const struct dhcp_probes *p)
{
    return keel_loop_now(p->serve->instance->loop);
}

/* Timers are never early: one that is due is due. */
static void arm(struct dhcp_probes *p)
{
    uint64_t first = UINT64_MAX, time = now(p);
    for (unsigned i = 0; p->waiting > 0 && i < PROBES_MAX; i++)
        if (p->items[i].address && p->items[i].deadline < first)
            first = p->items[i].deadline;
    if (first != UINT64_MAX)
        keel_timer_start(&p->timer, first > time ? first - time : 0, 0);
    else
        keel_timer_stop(&p->timer);
}

/* The client is heard again, with what was found out. The slot is free before: it may be needed. */
static void resume(struct dhcp_probes *p, struct probe *probe, uint32_t silent)
{
    uint8_t bytes[REQUEST_MAX];
    struct keel_datagram datagram = probe->datagram;
    const struct keel_endpoint *endpoint = probe->endpoint;
    memcpy(bytes, probe->bytes, datagram.size);
    datagram.bytes = bytes;
    probe->address = 0;
    p->waiting--;
    keel_metric_add(&p->serve->instance->metrics, DHCP_METRIC_PROBES + (silent ? 0 : 1), 1);
    dhcp_serve_again(p->serve, endpoint, &datagram, silent);
}

static void on_timer(struct keel_timer *timer)
{
    struct dhcp_probes *p = KEEL_CONTAINER(timer, struct dhcp_probes, timer);
    uint64_t time = now(p);
    for (unsigned i = 0; i < PROBES_MAX; i++)
        if (p->items[i].address && p->items[i].deadline <= time)
            resume(p, &p->items[i], p->items[i].address);
    arm(p);
}

static void on_somebody(struct dhcp_probes *p, struct probe *probe, const char *how)
{
    char address[16];
    dhcp_address_text(probe->address, address);
    keel_notice("probe", "address is used by somebody else", "address=%s answered=%s", address,
                how);
    dhcp_serve_quarantine(p->serve, probe->address);
    resume(p, probe, 0);
    arm(p);
}

static void on_arp(struct keel_io *io, short what)
{
    struct dhcp_probes *p = KEEL_CONTAINER(io, struct dhcp_probes, arp.io);
    struct keel_arp answer;
    (void)what;
    for (unsigned n = 0; n < ANSWERS_MAX && keel_arp_receive(p->arp.fd, &answer) == 0; n++) {
        for (unsigned i = 0; p->waiting > 0 && i < PROBES_MAX; i++) {
            struct probe *probe = &p->items[i];
            char mac[3 * KEEL_MAC_SIZE];
            if (!probe->address || probe->cookie || probe->address != answer.sender ||
                probe->datagram.interface != answer.interface ||
                (probe->ethernet && memcmp(probe->hardware, answer.hardware, KEEL_MAC_SIZE) == 0))
                continue;
            keel_format_hex(mac, sizeof mac, answer.hardware, KEEL_MAC_SIZE, ':');
            on_somebody(p, probe, mac);
        }
    }
}

static void on_echo(struct keel_io *io, short what)
{
    struct dhcp_probes *p = KEEL_CONTAINER(io, struct dhcp_probes, echo.io);
    uint32_t address;
    uint64_t cookie;
    (void)what;
    for (unsigned n = 0; n < ANSWERS_MAX; n++) {
        if (keel_echo_receive(p->echo.fd, &address, &cookie) != 0)
            return;
        for (unsigned i = 0; p->waiting > 0 && i < PROBES_MAX; i++)
            if (p->items[i].address == address && p->items[i].cookie &&
                p->items[i].cookie == cookie)
                on_somebody(p, &p->items[i], "ICMP echo");
    }
}

struct dhcp_probes *dhcp_probes_new(struct dhcp_serve *serve, uint64_t wait)
{
    struct dhcp_probes *p = keel_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->serve = serve;
    p->wait = wait;
    p->arp.fd = p->echo.fd = -1;
    keel_timer_init(&p->timer, serve->instance->loop, "dhcp-probe", on_timer);
    return p;
}

void dhcp_probes_free(struct dhcp_probes *p)
{
    if (!p)
        return;
    keel_timer_stop(&p->timer);
    if (p->arp.fd >= 0) {
        keel_io_stop(&p->arp.io);
        close(p->arp.fd);
    }
    if (p->echo.fd >= 0) {
        keel_io_stop(&p->echo.io);
        close(p->echo.fd);
    }
    keel_free(p);
}

void dhcp_probes_descriptor(struct dhcp_probes *p, enum keel_endpoint_kind kind, int fd)
{
    bool arp = kind == KEEL_ENDPOINT_ARP;
    int *own = arp ? &p->arp.fd : &p->echo.fd;
    struct keel_io *io = arp ? &p->arp.io : &p->echo.io;
    if (*own >= 0)
        return;
    /* our own: the core's may be closed while we still listen, and others hold it open */
    *own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (*own >= 0 &&
        keel_io_start(io, p->serve->instance->loop, *own, KEEL_READ, KEEL_PRIORITY_TRAFFIC,
                      "dhcp-probe", arp ? on_arp : on_echo) != 0) {
        close(*own);
        *own = -1;
    }
}

bool dhcp_probes_can(const struct dhcp_probes *p, const struct keel_datagram *datagram)
{
    return p && p->waiting < PROBES_MAX && datagram->size <= REQUEST_MAX && !datagram->truncated &&
           (p->arp.fd >= 0 || p->echo.fd >= 0);
}

/* On the client's own link by ARP, when it has it. */
static bool ask_arp(struct dhcp_probes *p, struct probe *probe)
{
    struct keel_interface link;
    struct keel_arp ask = {.interface = probe->datagram.interface, .target = probe->address};
    if (p->arp.fd < 0 || !probe->endpoint->interface[0] || !ask.interface ||
        keel_interface_by_index(ask.interface, &link) != 0 || link.hardware_type != ARPHRD_ETHER)
        return false;
    memcpy(ask.hardware, link.hardware, KEEL_MAC_SIZE);
    ask.sender = ntohl(probe->datagram.local.in4.sin_addr.s_addr);
    return keel_arp_ask(p->arp.fd, &ask) == 0;
}

static struct probe *find(struct dhcp_probes *p, uint32_t address)
{
    for (unsigned i = 0; i < PROBES_MAX; i++)
        if (p->items[i].address == address)
            return &p->items[i];
    return NULL;
}

void dhcp_probes_begin(struct dhcp_probes *p, const struct keel_endpoint *endpoint,
                       const struct keel_datagram *datagram, uint32_t address,
                       const uint8_t *hardware)
{
    struct probe *probe = find(p, address);
    bool begins = !probe;
    if (begins)
        probe = find(p, 0);
    if (!probe)
        return;
    probe->endpoint = endpoint;
    probe->datagram = *datagram;
    memcpy(probe->bytes, datagram->bytes, datagram->size);
    probe->ethernet = hardware != NULL;
    if (hardware)
        memcpy(probe->hardware, hardware, KEEL_MAC_SIZE);
    if (!begins)
        return;
    p->waiting++;
    probe->address = address;
    probe->cookie = 0;
    probe->deadline = now(p) + p->wait;
    if (!ask_arp(p, probe)) {
        probe->cookie = keel_rand_u64() | 1;
        /* what cannot be asked is not waited for */
        if (p->echo.fd < 0 || keel_echo_ask(p->echo.fd, address, probe->cookie) != 0)
            probe->deadline = now(p);
    }
    arm(p);
}
