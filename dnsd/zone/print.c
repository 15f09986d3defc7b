#include "dnsd/zone/print.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/rdata_print.h"
#include "dnsd/zone/set_read.h"

#define PIECE (64u * 1024)

struct job {
    const struct dns_view *view;
    struct dns_name apex;
    const struct dns_name *origin; /* NULL: all names are absolute */
    struct keel_buf out;
    struct dns_set_reader reader;
    dns_print_write write;
    void *arg;
};

static int flush(struct job *job)
{
    size_t size = keel_buf_size(&job->out);
    int err = job->out.failed;
    if (err == 0 && size > 0)
        err = job->write(job->arg, keel_buf_bytes(&job->out), size);
    keel_buf_clear(&job->out);
    return err;
}

static int print_set(struct job *job, const struct dns_node *node, const struct dns_set *set)
{
    const uint8_t *owner = dns_node_name(job->view->base, node), *rdata;
    char type[DNS_TYPE_TEXT];
    uint16_t size;
    int got;

    dns_type_format(type, set->type);
    dns_set_read(&job->reader, set, owner, node->name_size, job->apex.size);
    while ((got = dns_set_read_next(&job->reader, &rdata, &size)) == 1) {
        dns_name_print(&job->out, owner, node->name_size, job->origin);
        keel_buf_printf(&job->out, "\t%u\tIN\t%s\t", set->ttl, type);
        dns_rdata_print(&job->out, set->type, rdata, size, job->origin);
        keel_buf_append(&job->out, "\n", 1);
    }
    if (got == 0 && (job->out.failed || keel_buf_size(&job->out) >= PIECE))
        return flush(job);
    return got;
}

/* only: this set and no other; NULL: all but the SOA. */
static int print_node(struct job *job, const struct dns_node *node, const struct dns_set *only)
{
    const struct dns_set *set = NULL;
    int err = 0;
    if (only)
        return print_set(job, node, only);
    while (err == 0 && (set = dns_node_next_set(job->view->base, node, set)))
        if (set->type != DNS_TYPE_SOA)
            err = print_set(job, node, set);
    return err;
}

static int print_all(struct job *job)
{
    const struct dns_view *view = job->view;
    const struct dns_node *node = dns_view_apex(view);
    struct dns_view_walk walk = {0};
    char text[DNS_NAME_TEXT];

    dns_name_set(&job->apex, dns_node_name(view->base, node));
    dns_name_to_text(text, job->apex.bytes);
    keel_buf_printf(&job->out, "; %s serial %u, %u records\n", text, dns_view_newest(view)->serial,
                    dns_view_newest(view)->records);
    if (job->origin)
        keel_buf_printf(&job->out, "$ORIGIN %s\n", text);
    int err = print_node(job, node, dns_image_at(view->base, dns_view_newest(view)->soa_at));
    while (err == 0 && (node = dns_view_next(view, &walk)))
        err = print_node(job, node, NULL);
    return err ? err : flush(job);
}

int dns_zone_print(const struct dns_view *view, bool relative, dns_print_write write, void *arg)
{
    struct job *job = keel_malloc(sizeof *job); /* it has room for any rdata: not on a stack */
    if (!job)
        return KEEL_ENOMEM;
    job->view = view;
    job->origin = relative ? &job->apex : NULL;
    job->write = write;
    job->arg = arg;
    keel_buf_init(&job->out, 0);
    int err = print_all(job);
    keel_buf_fini(&job->out);
    keel_free(job);
    return err;
}
