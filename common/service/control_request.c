/*
 * The request lines of the control socket: what is not understood to the last key is refused.
 */
#include "common/service/control_server.h"

#include <string.h>

void keel_control_request_fini(struct keel_control_request *request)
{
    json_decref(request->root);
    *request = (struct keel_control_request){0};
}

static int check_request(struct keel_control_request *r, struct keel_diag *diag)
{
    const char *key;
    json_t *value, *item;
    size_t i;
    json_object_foreach(r->root, key, value)
    {
        if (strcmp(key, "command") != 0 && strcmp(key, "args") != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "unknown key in the request");
    }
    r->command = json_string_value(json_object_get(r->root, "command"));
    if (!r->command)
        return keel_diag_set(diag, KEEL_EINVAL, "the request names no command");
    r->args = json_object_get(r->root, "args");
    if (!r->args) {
        json_object_set_new(r->root, "args", json_array());
        r->args = json_object_get(r->root, "args");
    }
    if (!json_is_array(r->args))
        return keel_diag_set(diag, KEEL_EINVAL, "args must be a list of strings");
    json_array_foreach(r->args, i, item)
    {
        if (!json_is_string(item))
            return keel_diag_set(diag, KEEL_EINVAL, "args must be a list of strings");
    }
    return 0;
}

int keel_control_parse(const void *line, size_t size, struct keel_control_request *request,
                       struct keel_diag *diag)
{
    json_error_t error;
    *request = (struct keel_control_request){0};
    request->root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!request->root)
        return keel_diag_set(diag, KEEL_EINVAL, "not a JSON request: %s", error.text);
    int err = json_is_object(request->root)
                  ? check_request(request, diag)
                  : keel_diag_set(diag, KEEL_EINVAL, "the request is not an object");
    if (err)
        keel_control_request_fini(request);
    return err;
}
