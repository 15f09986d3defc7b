/*
 * Control commands about leases: seen a page at a time, and changed by hand.
 */
#ifndef DHCPD_SERVE_LEASES_H
#define DHCPD_SERVE_LEASES_H

#include "common/service/module.h"

/* For struct keel_command. */
/* A page of leases: {"rows": [...]} or, as CSV, {"text": "..."}; when there are more, with "next",
 * the list of arguments to put behind the same ones for what follows. */
int dhcp_leases_list(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag);
int dhcp_leases_add(struct keel_instance *instance, json_t *args, json_t **result,
                    struct keel_diag *diag);
int dhcp_leases_delete(struct keel_instance *instance, json_t *args, json_t **result,
                       struct keel_diag *diag);
/* The configuration text that keeps a lease's address for its client. */
int dhcp_leases_reservation(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag);

#endif
