/*
 * UPDATE in the keeper: decided on the zone as it is (dnsd/transfer/update.h), kept on disk,
 * served, and only then answered.
 */
#ifndef DNSD_SERVE_UPDATER_H
#define DNSD_SERVE_UPDATER_H

#include "dnsd/serve/keeper.h"

/* A dns_keeper_handler. */
void dns_updater_run(struct dns_kept *kept, const struct dns_keeper_request *request,
                     const uint8_t *bytes, size_t size);

#endif
