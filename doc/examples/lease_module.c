/*
 * A module for dhcpd: a line a lease event, in a file.
 *
 *     cc -shared -fPIC lease_module.c -o lease_module.so $(pkg-config --cflags libkeel)
 *
 *     hook {
 *       module   = "lease_module.so"
 *       argument = "/var/log/leases"
 *       events   = { "granted", "released", "expired" }
 *       write    = { "/var/log" }
 *     }
 */
#include "dhcpd/modules/lease_module.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int start(const char *argument, void **state, char *why, size_t size)
{
    FILE *file = fopen(argument, "a");
    if (!file) {
        snprintf(why, size, "cannot open \"%s\": %s", argument, strerror(errno));
        return -1;
    }
    setvbuf(file, NULL, _IOLBF, 0);
    *state = file;
    return 0;
}

static void on_event(void *state, const struct dhcp_lease_event *event)
{
    fprintf(state, "%s %u.%u.%u.%u until %llu", event->name, event->address >> 24,
            event->address >> 16 & 255, event->address >> 8 & 255, event->address & 255,
            (unsigned long long)event->expires);
    for (unsigned i = 0; i < event->hardware_size; i++)
        fprintf(state, "%c%02x", i ? ':' : ' ', event->hardware[i]);
    fprintf(state, " %s\n", event->hostname);
}

static void stop(void *state)
{
    fclose(state);
}

extern const struct dhcp_lease_module dhcp_lease_module;
const struct dhcp_lease_module dhcp_lease_module = {
    DHCP_LEASE_MODULE, .name = "lines", .start = start, .on_event = on_event, .stop = stop};
