/*
 * dhcpd --import-leases: leases of another server into the store, before dhcpd serves.
 */
#ifndef DHCPD_SERVE_IMPORT_H
#define DHCPD_SERVE_IMPORT_H

#include "common/service/module.h"
#include "dhcpd/engine/engine.h"
#include "dhcpd/lease/import.h"
#include "dhcpd/serve/durable.h"

/* True when the command line asks for it. */
bool dhcp_import_wanted(int argc, char **argv);
/* Does it; returns the exit status: 0, 1 when it failed, 2 when the command line, the configuration
 * or the file is wrong. */
int dhcp_import_main(const struct keel_protocol *protocol, int argc, char **argv);

/* What became of a file's leases. */
struct dhcp_import_result {
    uint64_t read, active, kept, conflicts, faults;
};
/* Told for a line that makes no sense or that something speaks against. */
typedef void dhcp_import_complain(void *arg, unsigned line, const char *text);

/* Reads a lease file and, if not `dry`, writes what it has into the store, in batches. What is in
 * the store already goes before. The engine is one of this store and serves nobody. 0, KEEL_EINVAL:
 * no such file; KEEL_ENOMEM, or an error of the store: what was written stays. */
int dhcp_import_leases(struct dhcp_durable *durable, struct dhcp_engine *engine,
                       enum dhcp_import_format format, struct keel_str text, bool dry,
                       dhcp_import_complain *complain, void *arg,
                       struct dhcp_import_result *result);

#endif
