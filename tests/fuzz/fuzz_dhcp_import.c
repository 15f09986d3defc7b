/* Lease files of other servers, and our own lease records: the first octet says which. What was
 * read from a file is a lease that can be written and read. */
#include "dhcpd/lease/import.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_lease(struct dhcp_import *import, unsigned line, const struct dhcp_lease *lease)
{
    uint8_t record[DHCP_LEASE_MAX];
    struct dhcp_lease back;
    (void)import, (void)line;
    if (!lease->state)
        return 0;
    if (dhcp_lease_decode(&back, record, dhcp_lease_encode(lease, record)) != 0 ||
        !dhcp_client_equal(&back.client, &lease->client) || back.hlen != lease->hlen)
        abort();
    return 0;
}

static void on_fault(struct dhcp_import *import, unsigned line, const char *why)
{
    (void)import;
    if (line == 0 || !why[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dhcp_import import = {on_lease, on_fault};
    uint8_t record[DHCP_LEASE_MAX];
    struct dhcp_lease lease;
    if (size == 0)
        return 0;
    struct keel_str text = {(const char *)data + 1, size - 1};
    if (data[0] % 5 < 4)
        dhcp_import_read(&import, (enum dhcp_import_format)(data[0] % 5), text);
    else if (dhcp_lease_decode(&lease, text.p, text.n) == 0)
        dhcp_lease_encode(&lease, record);
    return 0;
}
