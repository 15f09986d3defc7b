#include "dnsd/serve/updater.h"

#include "common/base/mem.h"
#include "common/service/log.h"
#include "dnsd/transfer/update.h"
#include "dnsd/wire/rcode.h"

/* An update whose change is on its way to the disk. */
struct pending {
    struct dns_promise promise;
    struct dns_keeper *keeper;
    struct dns_keeper_request request;
};

static void reply(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                  unsigned rcode)
{
    dns_keeper_reply(keeper, request, rcode, NULL, 0, NULL, 0);
}

static void on_kept(struct dns_promise *promise, int err)
{
    struct pending *p = KEEL_CONTAINER(promise, struct pending, promise);
    reply(p->keeper, &p->request, err ? DNS_SERVFAIL : DNS_NOERROR);
    keel_free(p);
}

static void tell(const struct dns_kept *kept, const struct dns_keeper_request *request,
                 unsigned rcode, const char *why)
{
    char zone[DNS_NAME_TEXT], peer[KEEL_ADDR_TEXT], code[DNS_RCODE_TEXT];
    dns_name_to_text(zone, kept->apex.bytes);
    keel_addr_format(peer, sizeof peer, &request->peer);
    dns_rcode_format(code, rcode);
    if (rcode == DNS_NOERROR)
        keel_info("update", "done", "zone=%s peer=%s serial=%u", zone, peer,
                  dns_edit_serial(kept->edit));
    else
        keel_notice("update", "refused", "zone=%s peer=%s rcode=%s%s%s", zone, peer, code,
                    why[0] ? " reason=" : "", why);
}

/* Also when nothing changes: it may be that what is asked for came just before, and is not on disk
 * yet. */
static enum dns_rcode keep(struct dns_kept *kept, const struct dns_keeper_request *request,
                           struct keel_diag *diag)
{
    struct pending *p = keel_malloc(sizeof *p);
    if (!p) {
        dns_edit_rollback(kept->edit);
        return DNS_SERVFAIL;
    }
    *p = (struct pending){.promise.on_kept = on_kept, .keeper = kept->keeper, .request = *request};
    int err = dns_keeper_commit(kept, &p->promise, diag);
    if (err == 0)
        return DNS_NOERROR;
    keel_free(p);
    return err == KEEL_EINVAL ? DNS_REFUSED : DNS_SERVFAIL;
}

void dns_updater_run(struct dns_kept *kept, const struct dns_keeper_request *request,
                     const uint8_t *bytes, size_t size)
{
    struct keel_diag diag = {""};
    bool changed;
    if (!kept->edit) {
        tell(kept, request, DNS_SERVFAIL, "the zone has no data, or none on the disk");
        reply(kept->keeper, request, DNS_SERVFAIL);
        return;
    }
    enum dns_rcode rcode =
        dns_update_process(kept->edit, &kept->apex, bytes, size, &changed, &diag);
    if (rcode == DNS_NOERROR) {
        if (!changed)
            dns_edit_begin(kept->edit);
        rcode = keep(kept, request, &diag);
    }
    if (rcode != DNS_NOERROR || changed)
        tell(kept, request, rcode, diag.text);
    if (rcode != DNS_NOERROR)
        reply(kept->keeper, request, rcode);
}
