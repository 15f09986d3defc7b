/*
 * The control commands that the keeper answers: what keel_command.run wants.
 */
#ifndef DNSD_SERVE_KEEPER_COMMANDS_H
#define DNSD_SERVE_KEEPER_COMMANDS_H

#include "common/service/module.h"

/* zones [PATTERN] [FROM]: a list of at most 1000 zones, in the order they were configured. */
int dns_command_zones(struct keel_instance *instance, json_t *args, json_t **result,
                      struct keel_diag *diag);
/* zone-status [NAME] */
int dns_command_zone_status(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag);
/* zone-reload NAME|all */
int dns_command_zone_reload(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag);
/* zone-add NAME TEXT */
int dns_command_zone_add(struct keel_instance *instance, json_t *args, json_t **result,
                         struct keel_diag *diag);
/* zone-remove NAME */
int dns_command_zone_remove(struct keel_instance *instance, json_t *args, json_t **result,
                            struct keel_diag *diag);

/* zone-dump NAME [FILE]; zone-flush NAME|all (keeper_dump.c) */
int dns_command_zone_dump(struct keel_instance *instance, json_t *args, json_t **result,
                          struct keel_diag *diag);
int dns_command_zone_flush(struct keel_instance *instance, json_t *args, json_t **result,
                           struct keel_diag *diag);

/* zone-refresh ZONE; zone-retransfer ZONE (keeper_secondary.c) */
int dns_command_zone_refresh(struct keel_instance *instance, json_t *args, json_t **result,
                             struct keel_diag *diag);
int dns_command_zone_retransfer(struct keel_instance *instance, json_t *args, json_t **result,
                                struct keel_diag *diag);

/* The zone that the first argument names; NULL with diag: there is none. */
struct keeper_zone *dns_command_zone(struct keel_instance *instance, json_t *args,
                                     struct keel_diag *diag);

#endif
