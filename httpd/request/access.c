#include "httpd/request/access.h"

static bool contains(const struct keel_prefix *list, unsigned count, const struct keel_addr *peer)
{
    for (unsigned i = 0; i < count; i++)
        if (keel_prefix_contains(&list[i], peer))
            return true;
    return false;
}

bool http_access_allows(const struct http_access *access, const struct keel_addr *peer)
{
    struct keel_addr space;
    peer = keel_addr_unmapped(peer, &space);
    if (contains(access->deny, access->deny_count, peer))
        return false;
    return access->allow_count == 0 || contains(access->allow, access->allow_count, peer);
}
